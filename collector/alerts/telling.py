"""The memory of what was told: a finding at once, its later forms as revisions, a flood counted. Pure.

The first finding of a rule about an entity is told at once. A later, different one is told at once when its
bytes or its evidence have doubled; else as soon as the entity was quiet for a while. So what is told last is
the rule's last word, in whatever order the events came. All times here are of the collector's clock, UTC ns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from ..alert import Alert, Severity, entity_key
from ..bounded import remember
from ..incident import rank
from ..rule import Parameter, engines_own

PER_HOUR = Parameter(
    "per_hour", 20, "alerts", "of one rule, person and host; a person reads no more, the rest is counted"
)
RULE = engines_own(
    "throttle", "Alerts of one rule about one person and host are throttled", "informational", (), PER_HOUR
)
"""It finds nothing: under its name the parameter of all rules is set."""
HOUR = 3_600_000_000_000
QUIET = 30_000_000_000
SLACK = 2_000_000_000
"""A tick comes before what was received a moment earlier: the quiet is judged by it this much later."""
TOLD_LIMIT = 50_000
WAITING_LIMIT = 5_000
FLOODS_LIMIT = 10_000
MORE = "more"
"""The detail that counts what was held back."""


class Told(msgspec.Struct, gc=False):
    """What was told of one entity; size is what has to double; more counts what was held back for it.

    who is the person's name, which may be learnt later. time is that of the event that was told of last.
    revision is -1 while nothing was told, for there was too much else.
    """

    id: str = ""
    revision: int = -1
    severity: Severity | None = None
    who: str = ""
    time: int = 0
    bytes_out: int = 0
    size: int = 0
    more: int = 0


class Waiting(msgspec.Struct, gc=False):
    """The newest form of a finding that is not told yet, and when it came."""

    alert: Alert
    since: int


class Flood(msgspec.Struct, gc=False):
    """Alerts of one rule, person and host: when the last ones were first told, and the last of them."""

    times: list[int] = []
    last: Alert | None = None


class State(msgspec.Struct):
    """told and waiting by ``rule|entity``, floods by ``rule|person|agent``; clock is the last decision's."""

    told: dict[str, Told] = {}
    waiting: dict[str, Waiting] = {}
    floods: dict[str, Flood] = {}
    clock: int = 0


def tell(state: State, found: Alert, now: int, per_hour: int, *, of_event: bool = False) -> Iterator[Alert]:
    """Take what a rule found now; yield what is to be told of it, and of what waited for it.

    of_event: it is the word of one event, and that of a later event, told or waiting, stands.
    """
    key = entity_key(found.rule, found.entity)
    waiting = state.waiting.get(key)
    if waiting is not None and now - waiting.since >= QUIET:
        del state.waiting[key]
        yield _told(state, key, waiting.alert, now)
    known = state.told.get(key)
    if of_event and _is_older(found, known, state.waiting.get(key)):
        return
    if known is not None and known.revision >= 0:
        yield from _again(state, key, known, found, now)
    elif _is_flood(state, found, now, per_hour):
        if known is None:
            remember(state.told, key, Told(), TOLD_LIMIT)
            yield from _hold_back(state, found, now)
    else:
        state.floods[_who(found)].times.append(now)
        yield _told(state, key, found, now)


def _is_older(found: Alert, known: Told | None, waiting: Waiting | None) -> bool:
    """Return whether the word of a later event stands."""
    if waiting is not None:
        return (found.time, found.id) < (waiting.alert.time, waiting.alert.id)
    return known is not None and known.revision >= 0 and (found.time, found.id) < (known.time, known.id)


def passed(state: State, now: int) -> Iterator[Alert]:
    """Yield the last form of what was found of entities that are quiet by now."""
    due = [key for key, one in state.waiting.items() if now - one.since >= QUIET + SLACK]
    for key in due:
        yield _told(state, key, state.waiting.pop(key).alert, now)


def identity(rule: str, version: int, entity: str, evidence: tuple[str, ...], more: int = 0) -> str:
    """Return an alert's id: the same facts, in any order, have the same one in every replay."""
    parts = (rule, str(version), entity, *sorted(evidence), *((f"+{more}",) if more else ()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _again(state: State, key: str, known: Told, found: Alert, now: int) -> Iterator[Alert]:
    """Tell a later form of a finding now or later; not if it is what was told."""
    form = _form(found, known)
    rises = known.severity is not None and rank(form.severity) > rank(known.severity)
    told = (known.id, known.severity, known.who, known.bytes_out)
    if (form.id, form.severity, _name(form), form.bytes_out or 0) == told:
        state.waiting.pop(key, None)
        return
    if rises or _size(form, known) >= 2 * known.size or (form.bytes_out or 0) >= 2 * known.bytes_out > 0:
        state.waiting.pop(key, None)
        yield _told(state, key, found, now)
        return
    state.waiting.pop(key, None)
    state.waiting[key] = Waiting(found, now)
    if len(state.waiting) > WAITING_LIMIT:
        oldest = next(iter(state.waiting))
        yield _told(state, oldest, state.waiting.pop(oldest).alert, now)


def _told(state: State, key: str, found: Alert, now: int) -> Alert:
    """Note that found is told as the entity's next revision, decided at a moment of its own."""
    known = state.told.get(key) or Told()
    state.clock = max(state.clock + 1, now)
    alert = msgspec.structs.replace(_form(found, known), revision=known.revision + 1, detected=state.clock)
    fresh = Told(
        alert.id,
        alert.revision,
        alert.severity,
        _name(alert),
        alert.time,
        alert.bytes_out or 0,
        _size(alert, known),
        known.more,
    )
    remember(state.told, key, fresh, TOLD_LIMIT)
    flood = state.floods.get(_who(found))
    if flood is not None and (
        alert.revision == 0 or (flood.last is not None and flood.last.entity == alert.entity)
    ):
        flood.last = found
    return alert


def _form(found: Alert, known: Told) -> Alert:
    """Return found with the count of what was held back, which makes it another alert."""
    if not known.more:
        return found
    return msgspec.structs.replace(
        found,
        id=identity(found.rule, found.version, found.entity, found.evidence, known.more),
        details={**found.details, MORE: f"and {known.more} more within the hour"},
    )


def _name(alert: Alert) -> str:
    return alert.person.name if alert.person is not None else ""


def _size(alert: Alert, known: Told) -> int:
    return len(alert.evidence) + known.more


def _who(found: Alert) -> str:
    return f"{found.rule}|{_name(found)}|{found.agent}"


def _is_flood(state: State, found: Alert, now: int, per_hour: int) -> bool:
    """Return whether as many were told within the hour as anybody reads."""
    key = _who(found)
    flood = state.floods.get(key) or Flood()
    flood.times = [at for at in flood.times if now - at < HOUR]
    remember(state.floods, key, flood, FLOODS_LIMIT)
    return len(flood.times) >= per_hour


def _hold_back(state: State, found: Alert, now: int) -> Iterator[Alert]:
    """Count one that is not told in the last that was."""
    last = state.floods[_who(found)].last
    known = state.told.get(entity_key(last.rule, last.entity)) if last is not None else None
    if last is None or known is None:
        return
    known.more += 1
    yield from _again(state, entity_key(last.rule, last.entity), known, last, now)
