"""Search in the language of `search`, and an analyst's own SQL in a disposable process."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ...questions import conditions, fetch, fields, queries
from ...sandbox import sandbox
from ...users import Role
from ..endpoint import Call, Endpoint, Rows, Stream
from ..parameter import FROM, TO, Parameter, limit


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT or EXPLAIN over the views events, alerts and batches."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=sandbox.SQL_LIMIT)]


class Table(msgspec.Struct, frozen=True):
    """The answer to a statement: column names, their SQL types, and rows in order."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    truncated: bool


class Field(msgspec.Struct, frozen=True):
    """A name that a search may use, the columns it stands for, and how they are compared."""

    name: str
    columns: list[str]
    kind: str


class FieldList(msgspec.Struct, frozen=True):
    """All names, and the columns a bare word is looked for in."""

    fields: list[Field]
    free_text: list[str]


def _search(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    condition = conditions.condition(values["query"], fields.EVENTS, call.services.clock())
    span = queries.Span(values["from"], values["to"])
    with call.connect() as connection:
        found = call.events(connection, queries.search(condition, span, wanted + 1))
    return Rows([fetch.plain(row) for row in found[:wanted]], len(found) > wanted)


def _sql(call: Call) -> msgspec.Struct | Stream:
    console = call.services.console
    limits = sandbox.Limits(console.query_seconds, console.query_memory_bytes, console.query_rows)
    answer = sandbox.run(call.body.sql, call.services.snapshot, limits)
    rows: list[list[Any]] = [list(row) for row in answer.rows]
    return Table(list(answer.columns), list(answer.types), rows, answer.truncated)


def _fields(_: Call) -> msgspec.Struct | Stream:
    names = [
        Field(name, [column.name for column in columns], columns[0].kind)
        for name, columns in sorted(fields.EVENTS.by_name.items())
    ]
    return FieldList(names, [column.name for column in fields.EVENTS.free_text])


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/search",
        "search",
        "Events that fit a query, newest first",
        Role.VIEWER,
        _search,
        Rows,
        parameters=(
            Parameter("query", "text", "such as user:alice AND file.path:*.pem", default="", high=4096),
            FROM,
            TO,
            limit(200, 10_000),
        ),
    ),
    Endpoint(
        "GET",
        "/v1/fields",
        "fields",
        "Names a search may use",
        Role.VIEWER,
        _fields,
        FieldList,
        record=False,
    ),
    Endpoint(
        "POST", "/v1/sql", "sql", "Run one SELECT or EXPLAIN", Role.ANALYST, _sql, Table, body=Statement
    ),
)
