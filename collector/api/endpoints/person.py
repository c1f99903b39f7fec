"""A person's sessions on all hosts: as which account, how that is known, from where, and their bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from ...questions import fetch, person_queries, queries
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter, limit


class Person(msgspec.Struct, frozen=True):
    """A person's sessions, oldest first, with the sums over those listed; truncated: there are older ones."""

    person: str
    sessions: list[dict[str, Any]]
    hosts: list[str]
    bytes_out: int
    bytes_in: int
    truncated: bool


def _person(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    span = queries.Span(values["from"], values["to"])
    with call.connect() as connection:
        found = call.rows(connection, person_queries.sessions(values["name"], span, wanted + 1))
    if not found:
        raise ApiError(
            404, "not_found", f"name: no session of {values['name']!r} is known in that time", "name"
        )
    listed = found[-wanted:]
    return Person(
        values["name"],
        [fetch.plain(row) for row in listed],
        sorted({row["host"] for row in listed}),
        sum(row["bytes_out"] or 0 for row in listed),
        sum(row["bytes_in"] or 0 for row in listed),
        len(found) > wanted,
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/person",
        "person",
        "A person's sessions on all hosts",
        Role.VIEWER,
        _person,
        Person,
        parameters=(
            Parameter("name", "text", "the person", required=True),
            FROM,
            TO,
            limit(200, 10_000),
        ),
        object="name",
    ),
)
