"""Alerts: the list, the ones that arise while somebody waits, and one alert with what led to it."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from ... import risk
from ...incidents import stories
from ...questions import alert_queries, conditions, fetch, fields, queries
from ...questions.conditions import Where
from ...users import Role
from ..endpoint import Call, Endpoint, Rows, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter, limit
from ..shown import SCANNED, active, shown

ALERTING = "medium"
"""What is below adds to a person's risk and is not listed unless asked for."""
SEVERITIES = ("informational", "low", "medium", "high", "critical")
WAIT_SECONDS = 30
_CURSOR = re.compile(r"([0-9]{1,19})\.([!-~]{0,128})")


class Story(msgspec.Struct, frozen=True):
    """An alert, its contributing events, the batches they came in, and uids the store does not hold.

    incident is the id of the story it belongs to, None where it made none.
    """

    alert: dict[str, Any]
    events: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    missing: list[str]
    incident: str | None = None


def _alerts(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    condition = _condition(values, call.services.clock())
    hiding, everything = active(call), values["suppressed"]
    with call.connect() as connection:
        if values["since"] is None:
            many = wanted + 1 if everything or not hiding else max(wanted + 1, SCANNED)
            found = call.rows(
                connection, alert_queries.alerts(condition, queries.Span(values["from"], values["to"]), many)
            )
            last = call.rows(connection, alert_queries.newest_alert())
        else:
            found = call.rows(
                connection, alert_queries.alerts_after(condition, *_cursor(values["since"]), wanted)
            )
            last = found[-1:]
    rows = shown(call, found, hiding, everything=everything)
    cursor = f"{last[0]['detected']}.{last[0]['id']}" if last else values["since"] or "0."
    return Rows([fetch.plain(row) for row in rows[:wanted]], len(rows) > wanted, cursor)


def _condition(values: dict[str, Any], now: int) -> Where:
    query = values["query"] or ""
    tried = alert_queries.STAGED if values["staged"] else alert_queries.LIVE
    parts = [conditions.condition(query, fields.ALERTS, now), tried]
    lowest = values["severity"]
    if lowest is None and not values["all"] and not conditions.names(query, "severity"):
        lowest = ALERTING
    if lowest:
        at_least = SEVERITIES[SEVERITIES.index(lowest) :]
        parts.append(Where(f"severity IN ({', '.join('?' for _ in at_least)})", at_least))
    parts.extend(Where(f"{name} = ?", (values[name],)) for name in ("person", "host") if values[name])
    return queries.every(parts)


def _cursor(text: str) -> tuple[int, str]:
    match = _CURSOR.fullmatch(text)
    if match is None or int(match[1]) >= 1 << 63:
        raise ApiError(400, "bad_request", "since: give the cursor of an earlier answer", "since")
    return int(match[1]), match[2]


def _show(call: Call) -> msgspec.Struct | Stream:
    with call.connect() as connection:
        alert = find(call.rows(connection, alert_queries.alert(call.values["id"])), call.values["id"], "id")
        uids = list(alert["evidence"] or ())
        events = call.rows(connection, queries.events(uids))
        entries = sorted({row["ledger_index"] for row in events})
        batches = call.rows(connection, queries.batches(entries))
        site, ask = call.services.site(), functools.partial(call.rows, connection)
        incident = stories.of_alert(ask, alert, site.known, risk.limits(site))
    held = {row["event"] for row in events}
    return Story(
        fetch.plain(shown(call, [alert], active(call), everything=True)[0]),
        [fetch.plain(row) for row in events],
        [fetch.plain(row) for row in batches],
        [uid for uid in uids if uid not in held],
        incident,
    )


def find(found: list[fetch.Row], asked: str, field: str) -> fetch.Row:
    """Return the one alert that asked stands for.

    Raises:
        ApiError: there is none, or more than one; names field.
    """
    if not found:
        raise ApiError(404, "not_found", f"{field}: no alert begins with {asked!r}", field)
    if len(found) > 1 and found[0]["id"] != asked:
        raise ApiError(400, "ambiguous", f"{field}: more than one alert begins with {asked!r}", field)
    return found[0]


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/alerts",
        "alerts",
        "Alerts, newest first; with since those decided after it, each revision, in order",
        Role.VIEWER,
        _alerts,
        Rows,
        parameters=(
            FROM,
            TO,
            Parameter("severity", "text", "this severity or a higher one", choices=SEVERITIES),
            Parameter("all", "flag", "also informational and low ones, which alert nobody", default=False),
            Parameter("staged", "flag", "those of rules that are only tried", default=False),
            Parameter("suppressed", "flag", "also what a suppression hides, with why", default=False),
            Parameter("person", "text", "who did it"),
            Parameter("host", "text", "host name"),
            Parameter("query", "text", "a search over the alerts' columns", high=4096),
            Parameter("since", "text", "cursor of an earlier answer"),
            Parameter("wait", "integer", "seconds to wait for a new alert", default=0, high=WAIT_SECONDS),
            limit(100, 10_000),
        ),
        wait=True,
    ),
    Endpoint(
        "GET",
        "/v1/alerts/{id}",
        "show",
        "One alert with its contributing events",
        Role.VIEWER,
        _show,
        Story,
        parameters=(
            Parameter("id", "text", "the alert's id, or enough of its beginning", place="path", high=128),
        ),
        object="id",
    ),
)
