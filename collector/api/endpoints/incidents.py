"""Incidents: the list, and one story with its contributing events."""

from __future__ import annotations

import functools
from typing import Any

import duckdb
import msgspec

from ... import fetch, queries, risk, stories
from ...incident import SEVERITIES, Incident, rank
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter, limit
from ..shown import active


class Incidents(msgspec.Struct, frozen=True):
    """Stories, the newest first; truncated says that there are more than were asked for."""

    rows: list[Incident]
    truncated: bool = False


class IncidentStory(msgspec.Struct, frozen=True):
    """An incident, its contributing events, the batches they came in, and uids the store does not hold."""

    incident: Incident
    events: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    missing: list[str]


def _list(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    with call.connect() as connection:
        span = queries.Span(values["from"], values["to"])
        found = read(call, connection, span, suppressed=values["suppressed"])
    lowest = rank(values["severity"]) if values["severity"] else 0
    rows = [
        one
        for one in found
        if rank(one.severity) >= lowest
        and values["person"] in (None, one.person)
        and (values["host"] is None or values["host"] in one.hosts)
    ]
    return Incidents(rows[:wanted], len(rows) > wanted)


def read(
    call: Call, connection: duckdb.DuckDBPyConnection, span: queries.Span, *, suppressed: bool
) -> list[Incident]:
    """Return the incidents that end in the span, without what is suppressed now unless that is wanted."""
    site = call.services.site()
    hiding = () if suppressed else active(call)
    return stories.read(functools.partial(call.rows, connection), span, hiding, site.known, risk.limits(site))


def _show(call: Call) -> msgspec.Struct | Stream:
    asked = call.values["id"]
    with call.connect() as connection:
        alerts = {row["id"] for row in call.rows(connection, queries.alert(asked))}
        found = find(
            read(call, connection, queries.Span(), suppressed=call.values["suppressed"]), asked, alerts
        )
        events = call.rows(connection, queries.evidence(found.evidence))
        batches = call.rows(connection, queries.batches(sorted({row["ledger_index"] for row in events})))
    held = {row["event"] for row in events}
    return IncidentStory(
        found,
        [fetch.plain(row) for row in events],
        [fetch.plain(row) for row in batches],
        [uid for uid in found.evidence if uid not in held],
    )


def find(found: list[Incident], asked: str, alerts: set[str]) -> Incident:
    """Return the one incident whose id begins with asked, or that one of the alerts belongs to.

    Raises:
        ApiError: there is none, or more than one.
    """
    fitting = [
        one
        for one in found
        if one.id.startswith(asked) or any(entry.alert in alerts for entry in one.timeline)
    ]
    if not fitting:
        raise ApiError(
            404,
            "not_found",
            f"id: no incident begins with {asked!r}; `vedette incidents --suppressed` shows hidden ones too",
            "id",
        )
    if len(fitting) > 1:
        raise ApiError(400, "ambiguous", f"id: more than one incident begins with {asked!r}", "id")
    return fitting[0]


_SUPPRESSED = Parameter("suppressed", "flag", "also with what a suppression hides", default=False)

ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/incidents",
        "incidents",
        "Incidents, the newest first",
        Role.VIEWER,
        _list,
        Incidents,
        parameters=(
            FROM,
            TO,
            Parameter("severity", "text", "this severity or a higher one", choices=SEVERITIES),
            Parameter("person", "text", "whose"),
            Parameter("host", "text", "a host it reached"),
            _SUPPRESSED,
            limit(50, 1000),
        ),
    ),
    Endpoint(
        "GET",
        "/v1/incidents/{id}",
        "incident",
        "One incident with its contributing events",
        Role.VIEWER,
        _show,
        IncidentStory,
        parameters=(
            Parameter(
                "id", "text", "its id, or that of an alert of it, or the beginning", place="path", high=128
            ),
            _SUPPRESSED,
        ),
        object="id",
    ),
)
