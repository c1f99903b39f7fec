"""A Sigma correlation with the rules it is over, as a rule of ours that can be shown its past again. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..record import Record
from ..rule import Correlation as Fold
from ..rule import Finding, Site
from . import correlate
from .decide import views_of
from .finding import described
from .judge import Judge
from .narrow import Sql, any_of, narrowed
from .ruleset import Ruleset
from .texts import texts
from .tuned import in_force


def only(ruleset: Ruleset, rule: str) -> Ruleset | None:
    """Return the correlation of that id with its rules, and nothing else; None where there is none."""
    joined = tuple(one for one in ruleset.correlations if one.id == rule)
    wanted = {name for one in joined for name in one.rules}
    return Ruleset(tuple(one for one in ruleset.rules if one.id in wanted), joined) if joined else None


def as_rule(ruleset: Ruleset) -> Fold:
    """Return the one correlation of a ruleset, which judges what its rules match."""
    (correlation,) = ruleset.correlations
    judge = Judge(ruleset.rules, lambda: 0)
    kinds = {kind for one in ruleset.rules for view in views_of(one.logsource) for kind in view.kinds}

    def step(state: correlate.State, record: Record, site: Site) -> Iterator[Finding]:
        matched = judge.matched(record.event.body) if judge.of(record.event.body) else ()
        for of in dict.fromkeys(one.rule.id for one in matched):
            seen = [one for one in matched if one.rule.id == of]
            yield from correlate.step(in_force(correlation, site), state, of, record, texts(seen, record))

    def passed(state: correlate.State, now: int, site: Site) -> Iterator[Finding]:
        return correlate.passed(lambda _group: in_force(correlation, site), state, now)

    told = described(correlation)
    return Fold(
        id=told.id,
        version=told.version,
        title=told.title,
        severity=told.severity,
        attack=told.attack,
        kinds=tuple(sorted(kinds, key=lambda kind: kind.__name__)),
        state=correlate.State,
        step=step,
        passed=passed,
        hits=(),
        misses=(),
        parameters=told.parameters,
    )


def condition(ruleset: Ruleset) -> Sql:
    """Return the condition that rows of all events meet which a rule of the set matches."""
    return any_of([found for one in ruleset.rules if (found := narrowed(one)) is not None])
