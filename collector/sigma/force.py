"""The Sigma rules in force, as the engine asks them: an event in, findings out. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from evidence.kind import Body

from ..bounded import remember
from ..record import Person, Record
from ..rule import Correlation as Fold
from ..rule import Detection, Finding, Site
from . import correlate
from .decide import unfit
from .document import Correlation, Rule
from .finding import QUIET, about, described, found
from .judge import Clock, Cost, Judge, Matched
from .ruleset import Ruleset
from .texts import texts
from .tuned import in_force

_QUIET_LIMIT = 50_000
"""Of quiet findings that are remembered, so that those alike are told once."""
Told = tuple[Detection | Fold, Finding]


class Decided(msgspec.Struct, frozen=True):
    """What was decided: is_off tells which rules rest, site what is set of a rule on a host, for a person."""

    is_off: Callable[[str], bool]
    site: Callable[[str, str, Person | None], Site]


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

    def told(self, rules: Sequence[Rule], record: Record, decided: Decided) -> Iterator[Told]:
        """Yield what rules that match an event, and correlations over them, have to say."""
        for rule in rules:
            over = self._over.get(rule.id, ())
            is_told = rule.id not in self._silent and self._is_new(rule, record)
            if decided.is_off(rule.id) or not (is_told or over):
                continue
            seen = [one for one in self.judge.matched(record.event.body) if one.rule.id == rule.id]
            if is_told:
                yield self._named[rule.id], found(rule, seen, record)
            yield from self._correlated(rule, seen, record, decided)

    def all_told(self, rules: Sequence[Rule], record: Record, decided: Decided) -> Iterator[Told]:
        """Yield what `told` does, with every match of every rule, also where one stands for many."""
        matched = self.judge.matched(record.event.body)
        for rule in rules:
            seen = [one for one in matched if one.rule.id == rule.id]
            yield self._named[rule.id], found(rule, seen, record)
            yield from self._correlated(rule, seen, record, decided)

    def _correlated(
        self, rule: Rule, seen: Sequence[Matched], record: Record, decided: Decided
    ) -> Iterator[Told]:
        told = texts(seen, record)
        for correlation, state in self._over.get(rule.id, ()):
            if not decided.is_off(correlation.id):
                begun = self._clock()
                own = in_force(correlation, decided.site(correlation.id, record.host, record.person))
                findings = tuple(correlate.step(own, state, rule.id, record, told))
                self._spent(correlation.id, begun, len(findings))
                for one in findings:
                    yield self._named[correlation.id], one

    def _spent(self, rule: str, begun: int, matches: int) -> None:
        cost = self.costs.setdefault(rule, Cost())
        cost.looks += 1
        cost.matches += matches
        cost.spent += self._clock() - begun

    def passed(self, now: int, decided: Decided) -> Iterator[Told]:
        """Yield what correlations find because a window is complete by now (UTC ns)."""
        for rule, state in self._all:
            if state.unsettled and not decided.is_off(rule.id):
                begun = self._clock()
                findings = tuple(correlate.passed(_by_group(rule, decided), state, now))
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


def _by_group(rule: Correlation, decided: Decided) -> Callable[[correlate.Group], Correlation]:
    """Return the correlation as it is set for the host and person of a group's last event."""
    return lambda group: in_force(rule, decided.site(rule.id, group.host, group.person))
