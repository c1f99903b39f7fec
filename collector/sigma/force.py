"""The Sigma rules in force, as the engine asks them: an event in, findings out. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from evidence.kind import Body

from ..bounded import remember
from ..record import Record
from ..rule import Correlation as Fold
from ..rule import Detection, Finding
from . import correlate
from .decide import SHARED, unfit
from .document import Correlation, Rule
from .finding import QUIET, about, described, found
from .judge import Clock, Cost, Judge, Matched, told
from .ruleset import Ruleset

_QUIET_LIMIT = 50_000
"""Of quiet findings that are remembered, so that those alike are told once."""
Told = tuple[Detection | Fold, Finding]


class State(msgspec.Struct):
    """What is remembered: correlations by id and definition, and the quiet findings of late."""

    correlations: dict[str, correlate.State] = {}
    quiet: dict[str, None] = {}


class Force:
    """Rules with their filters, and the correlations over them."""

    def __init__(
        self,
        ruleset: Ruleset,
        clock: Clock,
        state: State | None = None,
        *,
        resting: AbstractSet[str] = frozenset(),
        costs: Mapping[str, Cost] | None = None,
    ) -> None:
        """Compile the rules; state is what was remembered, of rules that are still the same.

        Rules that are resting cost nothing. costs is what was measured of rules until now.
        """
        stay = {one.id for one in ruleset.everything()}
        self._clock = clock
        self.costs = {name: cost for name, cost in (costs or {}).items() if name in stay}
        self.resting = frozenset(stay & resting)
        self.judge = Judge([one for one in ruleset.rules if one.id not in resting], clock, self.costs)
        by_id = {rule.id: rule for rule in ruleset.rules}
        usable = [one for one in ruleset.correlations if fault(one, by_id) is None]
        self._silent = frozenset(name for one in usable if not one.generate for name in one.rules)
        self._named = {rule.id: described(rule) for rule in ruleset.rules} | {
            rule.id: described(rule) for rule in usable
        }
        self._over: dict[str, tuple[tuple[Correlation, correlate.State], ...]] = {}
        self._ruleset = ruleset
        self.load(state or State())

    @property
    def ruleset(self) -> Ruleset:
        """The rules this was made of."""
        return self._ruleset

    def load(self, state: State) -> None:
        """Take what was remembered; a correlation that is another by now starts empty."""
        by_id = {rule.id: rule for rule in self._ruleset.rules}
        usable = [one for one in self._ruleset.correlations if fault(one, by_id) is None]
        known = state.correlations
        own = {_name(one): (one, known.get(_name(one)) or correlate.State()) for one in usable}
        self.state = State({name: of for name, (_one, of) in own.items()}, state.quiet)
        self._over = {}
        for pair in own.values():
            for name in dict.fromkeys(pair[0].rules):
                self._over[name] = (*self._over.get(name, ()), pair)
        self._all = tuple(own.values())

    def of(self, body: Body) -> tuple[Rule, ...]:
        """Return the rules that match a body: nearly always none."""
        return self.judge.of(body)

    def told(self, rules: Sequence[Rule], record: Record, is_off: Callable[[str], bool]) -> Iterator[Told]:
        """Yield what rules that match an event, and correlations over them, have to say."""
        for rule in rules:
            over = self._over.get(rule.id, ())
            is_told = rule.id not in self._silent and self._is_new(rule, record)
            if is_off(rule.id) or not (is_told or over):
                continue
            seen = [one for one in self.judge.matched(record.event.body) if one.rule.id == rule.id]
            if is_told:
                yield self._named[rule.id], found(rule, seen, record)
            yield from self._correlated(rule, seen, record, is_off)

    def all_told(self, rules: Sequence[Rule], record: Record) -> Iterator[Told]:
        """Yield what `told` does, with every match of every rule, also where one stands for many."""
        matched = self.judge.matched(record.event.body)
        for rule in rules:
            seen = [one for one in matched if one.rule.id == rule.id]
            yield self._named[rule.id], found(rule, seen, record)
            yield from self._correlated(rule, seen, record, lambda _rule: False)

    def _correlated(
        self, rule: Rule, seen: Sequence[Matched], record: Record, is_off: Callable[[str], bool]
    ) -> Iterator[Told]:
        texts = _texts(seen, record)
        for correlation, state in self._over.get(rule.id, ()):
            if not is_off(correlation.id):
                begun = self._clock()
                findings = tuple(correlate.step(correlation, state, rule.id, record, texts))
                self._spent(correlation.id, begun, len(findings))
                for one in findings:
                    yield self._named[correlation.id], one

    def _spent(self, rule: str, begun: int, matches: int) -> None:
        cost = self.costs.setdefault(rule, Cost())
        cost.looks += 1
        cost.matches += matches
        cost.spent += self._clock() - begun

    def passed(self, now: int, is_off: Callable[[str], bool]) -> Iterator[Told]:
        """Yield what correlations find because a window is complete by now (UTC ns)."""
        for rule, state in self._all:
            if state.unsettled and not is_off(rule.id):
                begun = self._clock()
                findings = tuple(correlate.passed(rule, state, now))
                self._spent(rule.id, begun, len(findings))
                for one in findings:
                    yield self._named[rule.id], one

    def _is_new(self, rule: Rule, record: Record) -> bool:
        """Return whether nothing alike was told; of quiet rules one event stands for all of its hour."""
        if rule.severity not in QUIET:
            return True
        key = f"{rule.id}|{record.agent}|{about(rule, record)}"
        if key in self.state.quiet:
            return False
        remember(self.state.quiet, key, None, _QUIET_LIMIT)
        return True


def fault(rule: Correlation, rules: dict[str, Rule]) -> str | None:
    """Return why a correlation cannot be used; None where it can."""
    return correlate.fault(rule) or unfit(rule, rules)


def _name(rule: Correlation) -> str:
    """Return what a correlation's memory is kept under: another definition begins anew."""
    return f"{rule.id}|{hashlib.sha256(msgspec.json.encode(rule)).hexdigest()[:16]}"


def _texts(seen: Sequence[Matched], record: Record) -> correlate.Told:
    """Return a function from a field's name to its text, in the first view that tells it."""

    def text(name: str) -> str | None:
        if name in SHARED:
            return _shared(name, record)
        for one in seen:
            field = one.view.field(name)
            if field is not None:
                return told(field, record.event.body)
        return None

    return text


def _shared(name: str, record: Record) -> str | None:
    if name == "person":
        return record.person.name if record.person is not None else None
    return record.agent if name == "agent" else record.host
