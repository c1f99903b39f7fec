"""Events and evidence as files: OCSF, Parquet, CSV, and bundles that verify without this server."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...audit import proof
from ...audit.bundler import Story
from ...incidents import stories
from ...questions import alert_queries, conditions, export, fetch, fields, queries, session_queries
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter
from . import incidents
from .alerts import find

EXPORT_LIMIT = 10_000_000
"""Events of one export."""
EXPORT_TIMES = 20
"""How many times longer than a query an export may take."""
BUNDLE = "application/vnd.vedette.bundle"


def _export(call: Call) -> msgspec.Struct | Stream:
    values = call.values
    condition = conditions.condition(values["query"], fields.EVENTS, call.services.clock())
    query = queries.export(condition, queries.Span(values["from"], values["to"]), EXPORT_LIMIT)
    media, ending, write = export.FORMATS[values["format"]]
    return Stream(media, f"vedette-events.{ending}", write(_batches(call, query)))


def _batches(call: Call, query: queries.Query) -> Iterator[list[fetch.Row]]:
    seconds = EXPORT_TIMES * call.services.console.query_seconds
    with call.connect() as connection:
        yield from fetch.stream(connection, query, seconds)


def _bundle(call: Call) -> msgspec.Struct | Stream:
    values = call.values
    if values["incident"]:
        about = _story(call, values["incident"])
        chunks = call.services.bundle((), None, None, about)
        return Stream(BUNDLE, f"vedette-{about.incident[:12]}.bundle", chunks)
    if values["alert"]:
        with call.connect() as connection:
            alert = find(
                call.rows(connection, alert_queries.alert(values["alert"])), values["alert"], "alert"
            )
        chunks = call.services.bundle(tuple(alert["evidence"] or ()), None, None)
        return Stream(BUNDLE, f"vedette-{alert['id'][:12]}.bundle", chunks)
    if values["from"] is None or values["to"] is None:
        raise ApiError(400, "bad_request", "alert: give an incident, an alert, or from and to", "alert")
    return Stream(BUNDLE, "vedette.bundle", call.services.bundle((), values["from"], values["to"]))


def _story(call: Call, asked: str) -> Story:
    """Return the incident, and every session that its person had in its time."""
    with call.connect() as connection:
        found = incidents.find(call, connection, asked, suppressed=True)
        rows = []
        if found.person is not None:
            span = queries.Span(found.begin - proof.BEFORE, found.end)
            rows = call.rows(connection, session_queries.sessions_of(found.person, span))
    return proof.story(found, [(stories.session(row), row["opened"]) for row in rows])


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/export",
        "export",
        "Events that fit a query, oldest first, as a file",
        Role.ANALYST,
        _export,
        tuple(media for media, _, _ in export.FORMATS.values()),
        parameters=(
            Parameter("format", "text", "how to write them", required=True, choices=tuple(export.FORMATS)),
            Parameter("query", "text", "which events; all without it", default="", high=4096),
            FROM,
            TO,
        ),
        object="format",
    ),
    Endpoint(
        "GET",
        "/v1/bundle",
        "bundle",
        "The evidence of an incident, an alert or an interval as one file for `vedette verify` and `prove`",
        Role.ANALYST,
        _bundle,
        (BUNDLE,),
        parameters=(
            Parameter("alert", "text", "the alert's id, or enough of its beginning"),
            Parameter("incident", "text", "the incident's id, that of an alert of it, or the beginning"),
            FROM,
            TO,
        ),
        object="alert",
    ),
)
