"""Why a rule fired on an event, or did not."""

from __future__ import annotations

from typing import Any

import duckdb
import msgspec

from ...questions import alert_queries, queries, recall
from ...rule import Rule
from ...rules import rule_folders
from ...rules.explain import Explanation, explain
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import Parameter
from .alerts import find

AROUND = 6 * 3600 * 10**9
"""ns before and after the event within which its session is looked at."""
EVENTS_LIMIT = 20_000


def _explain(call: Call) -> msgspec.Struct | Stream:
    name, uid = call.values["rule"], call.values["event"]
    with call.connect() as connection:
        if call.values["alert"]:
            alert = find(
                call.rows(connection, alert_queries.alert(call.values["alert"])),
                call.values["alert"],
                "alert",
            )
            name, uid = alert["rule"], uid or _last_event(alert)
        rule = _rule(call, name)
        if not uid:
            raise ApiError(
                400, "bad_request", "event: which? give the uid of an event, agent:epoch:seq", "event"
            )
        rows = _window(call, connection, rule, uid)
    seen = recall.records(rows)
    if all(one.uid != uid for one in seen):
        raise ApiError(404, "not_found", f"event: this version cannot read event {uid}", "event")
    return explain(rule, seen, uid, call.services.site())


def _last_event(alert: dict[str, Any]) -> str | None:
    """Return the contributing event that came last; some evidence is no event, such as a chain."""
    events = [uid for uid in alert["evidence"] or () if queries.is_uid(uid)]
    return events[-1] if events else None


def _rule(call: Call, name: str | None) -> Rule:
    known = {rule.id: rule for rule in rule_folders.judging(call.services.site_rules())}
    if name not in known:
        raise ApiError(
            404, "not_found", f"rule: {name!r} judges no single events; rules are: {', '.join(known)}", "rule"
        )
    return known[name]


def _window(call: Call, connection: duckdb.DuckDBPyConnection, rule: Rule, uid: str) -> list[dict[str, Any]]:
    """Return the event, and those of its session or person on that host which the rule would see."""
    found = call.events(connection, queries.event(uid))
    if not found:
        raise ApiError(404, "not_found", f"event: there is no event {uid}", "event")
    own = found[0]
    kinds = [str(kind.__struct_config__.tag) for kind in rule.kinds]
    span = queries.Span(max(0, own["time"] - AROUND), own["time"] + AROUND)
    rows = call.events(connection, queries.around(own, kinds, span, EVENTS_LIMIT))
    others = [row for row in rows if row["event"] != own["event"]]
    return sorted([own, *others], key=lambda row: (row["time"], row["epoch"], row["seq"]))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/explain",
        "explain",
        "Why a rule fired on an event, or did not",
        Role.VIEWER,
        _explain,
        Explanation,
        parameters=(
            Parameter("alert", "text", "an alert's id, or its beginning: its rule and its last event"),
            Parameter("rule", "text", "a rule's id, with an event"),
            Parameter("event", "text", "the event, agent:epoch:seq"),
        ),
        object="event",
    ),
)
