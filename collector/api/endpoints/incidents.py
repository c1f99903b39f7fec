"""Incidents: the list, and one story with its contributing events."""

from __future__ import annotations

import functools
from typing import Any

import duckdb
import msgspec

from ... import risk
from ...incident import SEVERITIES, Incident, rank
from ...incidents import ranking
from ...incidents.stories import Stories
from ...questions import alert_queries, fetch, queries
from ...users import Role
from ...verdicts import triage
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter, limit
from ..shown import active

_SURPRISE = "surprise"
_DAY = 86_400_000_000_000
_DAYS = (30, 365)
"""Days in which the newest incidents are looked for first."""


class Incidents(msgspec.Struct, frozen=True):
    """Stories, the newest first or as asked; truncated says that there are more than were asked for.

    cut says that somebody has more alerts than were read: what is oldest in their stories is missing.
    """

    rows: list[Incident]
    truncated: bool = False
    cut: bool = False


class IncidentStory(msgspec.Struct, frozen=True):
    """An incident, its contributing events, the batches they came in, and uids the store does not hold."""

    incident: Incident
    events: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    missing: list[str]


def _list(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    read = _read(call)
    with call.connect() as connection:
        found = _stories(call, connection, suppressed=values["suppressed"])
        for span in _spans(values["from"], values["to"], call.services.clock()):
            told = found.ended_in(span)
            rows = [one for one in told.incidents if _is_asked(one, values)]
            if len(rows) > wanted:
                break
        if values["order"] == _SURPRISE:
            first = sorted(found.weighed(rows, read), key=ranking.order)[:wanted]
        else:
            first = found.weighed(rows[:wanted], read)
    return Incidents(first, len(rows) > wanted, told.cut)


def _read(call: Call) -> frozenset[triage.Finding]:
    """Return the findings that somebody acknowledged or closed."""
    standings = call.services.triages.standings()
    return frozenset(finding for finding, one in standings.items() if one.state != "open")


def _spans(start: int | None, end: int | None, now: int) -> list[queries.Span]:
    """Return spans to look in one after the other; the last has all that was asked for."""
    if start is not None:
        return [queries.Span(start, end)]
    newest = min(now, end) if end is not None else now
    return [*(queries.Span(newest - days * _DAY, end) for days in _DAYS), queries.Span(None, end)]


def _is_asked(one: Incident, values: dict[str, Any]) -> bool:
    lowest = rank(values["severity"]) if values["severity"] else 0
    return (
        rank(one.severity) >= lowest
        and values["person"] in (None, one.person)
        and (values["host"] is None or values["host"] in one.hosts)
    )


def _stories(call: Call, connection: duckdb.DuckDBPyConnection, *, suppressed: bool) -> Stories:
    """Return the stories, without what is suppressed now unless that is wanted."""
    site = call.services.site()
    hiding = () if suppressed else active(call)
    return Stories(functools.partial(call.rows, connection), hiding, site.known, risk.limits(site))


def _show(call: Call) -> msgspec.Struct | Stream:
    with call.connect() as connection:
        found = find(call, connection, call.values["id"], suppressed=call.values["suppressed"])
        events = call.rows(connection, queries.evidence(found.evidence))
        batches = call.rows(connection, queries.batches(sorted({row["ledger_index"] for row in events})))
    held = {row["event"] for row in events}
    return IncidentStory(
        found,
        [fetch.plain(row) for row in events],
        [fetch.plain(row) for row in batches],
        [uid for uid in found.evidence if uid not in held],
    )


def find(call: Call, connection: duckdb.DuckDBPyConnection, asked: str, *, suppressed: bool) -> Incident:
    """Return the one incident that has or had an id that begins with asked, or that has such an alert.

    Raises:
        ApiError: there is none, or more than one.
    """
    named = [
        row
        for query in (alert_queries.alert(asked), alert_queries.of_incident(asked))
        for row in call.rows(connection, query)
    ]
    stories = _stories(call, connection, suppressed=suppressed)
    found = stories.with_finding([(row["rule"], row["entity"] or row["id"]) for row in named])
    one = the_one(found.incidents, asked, {row["id"] for row in named})
    return stories.weighed([one])[0]


def the_one(found: list[Incident], asked: str, alerts: set[str]) -> Incident:
    """Return the one incident that asked names, or that one of the alerts belongs to.

    Raises:
        ApiError: there is none, or more than one.
    """
    fitting = [
        one
        for one in found
        if any(name.startswith(asked) for name in (one.id, *one.also))
        or any(entry.alert in alerts for entry in one.timeline)
    ]
    exact = [one for one in fitting if asked in (one.id, *one.also)]
    fitting = exact or fitting
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
            Parameter(
                "order",
                "text",
                "time: the newest first; surprise: first what is found most seldom",
                choices=("time", _SURPRISE),
            ),
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
                "id",
                "text",
                "its id or a former one, or that of an alert of it, or the beginning",
                place="path",
                high=128,
            ),
            _SUPPRESSED,
        ),
        object="id",
    ),
)
