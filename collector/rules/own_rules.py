"""What the engine tells of rules themselves: one failed, broke its budget, or cost too much. Pure."""

from __future__ import annotations

import msgspec

from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.collector import Act

from ..record import Origin, Record, SessionRevision
from ..rule import Finding, Rule, engines_own

FAULT = engines_own("rule-fault", "A rule failed on an event", "high", ("T1562.006",))
SIGMA = msgspec.structs.replace(FAULT, id="sigma")
"""Stands for all Sigma rules, where the matching itself fails."""
STAGED = engines_own("rule-staged", "A rule broke its budget and alerts no more", "medium")
RESTED = engines_own("rule-rested", "A rule that failed or took too much time rests", "high", ("T1562.006",))
_BECAME = {"staged": "is only tried from now on", "off": "is at rest until a person makes it live"}


def decided(act: Act, origin: Origin, event: Event[Body]) -> Finding:
    """Return that the collector itself staged a rule, or put it to rest, and why."""
    became = _BECAME.get((act.detail or {}).get("state", ""), "stands differently from now on")
    return Finding(
        entity=f"{act.object}|{origin.uid(event)}",
        summary=f"rule {act.object} {became}: {act.reason}",
        time=event.time,
        agent=origin.agent,
        host=origin.host,
        evidence=(origin.uid(event),),
        details={"rule": act.object or "", "reason": act.reason or ""},
    )


def fault(rule: Rule, on: Record | SessionRevision, error: Exception) -> Finding:
    """Return that rule failed on something, once for each host and kind of error: it may have been wanted."""
    name = type(error).__name__
    event = on.uid if isinstance(on, Record) else f"session {on.session}"
    return Finding(
        entity=f"{rule.id}|{on.agent}|{name}",
        summary=f"rule {rule.id} failed on event {event} of {on.host} and did not judge it: {name}",
        time=on.event.time if isinstance(on, Record) else on.revised,
        agent=on.agent,
        host=on.host,
        evidence=(),
        person=on.person,
        details={"rule": rule.id, "event": event, "error": f"{name}: {error}"[:500]},
    )
