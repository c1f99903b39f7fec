"""What a rule would have told with other values of a parameter: its own code over stored entries. Pure.

Each value has a state of the rule and a memory of what was told of its own, so that one pass over the entries
serves all values. What is counted is what was told first of each entity, as an analyst would have met it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ..alert import Alert, Severity
from ..alerts import telling
from ..alerts.raising import to_alert
from ..incident import rank
from ..organisation.known import Known
from ..pipeline.fold import TICK
from ..record import Person, Record, SessionRevision
from ..rule import (
    Correlation,
    Detection,
    Finding,
    Rule,
    Site,
    Value,
    nothing_from_sessions,
    nothing_from_time,
)
from ..rules import rulebook
from ..rules.rulebook import Book, Parameters, Scope, Setting
from .history import Entry

FOUND_LIMIT = 20_000
"""Entities remembered for a value; what tells more is no threshold."""


class Wanted(msgspec.Struct, frozen=True):
    """What is tried: a parameter, for whom, with which values."""

    rule: str
    name: str
    values: tuple[Value, ...]
    scope: Scope = Scope()


class Told(msgspec.Struct, frozen=True):
    """What was first told of an entity, when (collector's clock, UTC ns), and how severe it became."""

    entity: str
    alert: str
    time: int
    severity: Severity
    host: str
    person: str | None
    summary: str


class Outcome(msgspec.Struct, frozen=True):
    """What one value gave; truncated: there was more than is kept."""

    value: Value
    told: tuple[Told, ...]
    truncated: bool = False


class _Trial:
    """The rule with one value."""

    def __init__(self, rule: Rule, wanted: Wanted, value: Value, context: Context) -> None:
        tried = Setting("tried", rule.id, wanted.name, value, "", "", 1 << 63, wanted.scope)
        book = context.book
        self._book = msgspec.structs.replace(book, settings={**book.settings, tried.id: tried})
        self._known = context.known
        self.site = Site(rulebook.for_all(self._book, context.told), context.known)
        self._scoped = rule.id in self._book.scoped()
        self._views: dict[tuple[str, str | None], Site] = {}
        self._rule, self._value = rule, value
        self._state: Any = rule.state() if isinstance(rule, Correlation) else None
        self._telling = telling.State()
        self._per_hour = int(self.site.number(telling.RULE.id, telling.PER_HOUR))
        self._told: dict[str, Told] = {}
        self._truncated = False

    def judge(self, record: Record, now: int, *, counts: bool) -> None:
        """Show the rule an event received at now."""
        site = self._view(record.host, record.person) if self._scoped else self.site
        if isinstance(self._rule, Detection):
            one = self._rule.find(record, site)
            found: Iterable[Finding] = () if one is None else (one,)
        else:
            found = self._rule.step(self._state, record, site) or ()
        for one in found:
            self._tell(one, now, counts=counts)

    def arrived(self, entry: Entry, *, counts: bool) -> None:
        """Show the rule an entry's statement."""
        if isinstance(self._rule, Correlation):
            for one in self._rule.arrived(self._state, entry.arrival, self.site):
                self._tell(one, entry.arrival.received, counts=counts)

    def passed(self, now: int, *, counts: bool) -> None:
        """Let time pass."""
        if isinstance(self._rule, Correlation):
            for one in self._rule.passed(self._state, now, self.site):
                self._tell(one, now, counts=counts)

    def revised(self, session: SessionRevision, *, counts: bool) -> None:
        """Tell the rule whose a session is."""
        if isinstance(self._rule, Correlation):
            site = self._view(session.host, session.person) if self._scoped else self.site
            for one in self._rule.revised(self._state, session, site):
                self._tell(one, session.revised, counts=counts)

    def outcome(self) -> Outcome:
        """Return what was told."""
        return Outcome(self._value, tuple(self._told.values()), self._truncated)

    def _view(self, host: str, person: Person | None) -> Site:
        key = host, person.name if person is not None else None
        if key not in self._views:
            own = rulebook.for_whom(self._book, self.site.parameters, self._known, *key)
            self._views[key] = Site(own, self._known)
        return self._views[key]

    def _tell(self, found: Finding, now: int, *, counts: bool) -> None:
        alert = to_alert(self._rule, found, now)
        of_event = isinstance(self._rule, Detection)
        for one in telling.tell(self._telling, alert, now, self._per_hour, of_event=of_event):
            if counts:
                self._note(one, now)

    def _note(self, alert: Alert, now: int) -> None:
        former = self._told.get(alert.entity)
        if former is not None:
            if rank(alert.severity) > rank(former.severity):
                self._told[alert.entity] = msgspec.structs.replace(former, severity=alert.severity)
        elif alert.revision == 0 and len(self._told) < FOUND_LIMIT:
            name = alert.person.name if alert.person is not None else None
            self._told[alert.entity] = Told(
                alert.entity, alert.id, now, alert.severity, alert.host, name, alert.summary
            )
        elif alert.revision == 0:
            self._truncated = True


class Context(msgspec.Struct, frozen=True):
    """What is in force beside what is tried: settings files, decisions, and what the operator tells."""

    told: Parameters
    book: Book
    known: Known


class History(msgspec.Struct, frozen=True):
    """Entries in the ledger's order, and whose sessions turned out to be, by when that was known."""

    entries: Iterable[Entry]
    revisions: Sequence[SessionRevision]


def replay(rule: Rule, wanted: Wanted, context: Context, history: History, since: int) -> list[Outcome]:
    """Return what each value gives; what was told before since (UTC ns) only teaches the rule.

    Raises:
        whatever the rule does on an event.
    """
    trials = [_Trial(rule, wanted, value, context) for value in wanted.values]
    waiting = iter(history.revisions if _looks_at_sessions(rule) else ())
    following = next(waiting, None)
    ticked = 0
    for entry in history.entries:
        now = entry.arrival.received
        counts = now >= since
        if _looks_at_time(rule) and now >= ticked + TICK:
            ticked = now
            for trial in trials:
                trial.passed(now, counts=counts)
        for trial in trials:
            trial.arrived(entry, counts=counts)
            for record in entry.records:
                trial.judge(record, now, counts=counts)
        while following is not None and following.revised <= now:
            for trial in trials:
                trial.revised(following, counts=counts)
            following = next(waiting, None)
    return [trial.outcome() for trial in trials]


def _looks_at_time(rule: Rule) -> bool:
    return isinstance(rule, Correlation) and rule.passed is not nothing_from_time


def _looks_at_sessions(rule: Rule) -> bool:
    return isinstance(rule, Correlation) and rule.revised is not nothing_from_sessions
