"""Sigma's correlations as folds over matches, on exact sliding windows, whatever order they arrive in. Pure.

What only grows with each match (a count, a sum from below, rules that all matched) is judged at once. What a
later match can undo (fewer than, exactly, an average) is judged of the window that ends with each match, once
that was `SETTLE` ago by the collector's clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ..bounded import remember
from ..measures.windows import Item, Series, sequence, uids
from ..measures.windows import Measure as Sliding
from ..record import Person, Record
from ..rule import Finding
from . import measure
from .document import Correlation

SETTLE = 120_000_000_000
"""Nanoseconds after which a window is taken for complete."""
LATENESS = 3_600_000_000_000
"""Nanoseconds for which matches are kept beyond their window, for those that come late."""
LIMIT = 4096
"""Matches of one group that are kept; a condition that needs more cannot be used."""
_FEW = 256
GROUPS = 5000
"""Groups of one correlation that are kept."""
_TEXT = 256
"""Characters of a value that groups, or is counted."""
_SLIDING: dict[str, Sliding] = {"event_count": "count", "value_count": "distinct", "value_sum": "sum"}
_FROM_BELOW = frozenset({"gt", "gte"})
Told = Callable[[str], str | None]
"""Gives the text of an event's field by name."""


class Group(msgspec.Struct, gc=False):
    """Matches of one group: a series for each rule where their order or presence counts, else one.

    last is the event that happened last, as (time, uid), with its host and person. judged is the time up to
    which windows were judged that had to settle.
    """

    series: list[Series] = []
    last: tuple[int, str] = (0, "")
    agent: str = ""
    host: str = ""
    boot: str = ""
    person: Person | None = None
    judged: int = 0


class State(msgspec.Struct):
    """Groups by the JSON of their values; those that have windows to be judged later."""

    groups: dict[str, Group] = {}
    unsettled: dict[str, int] = {}


def fault(rule: Correlation) -> str | None:
    """Return why a correlation cannot be folded; None where it can."""
    number, operator = rule.threshold.number, rule.threshold.operator
    if rule.measure in ("temporal", "temporal_ordered"):
        wanted = len(set(rule.rules)) * measure.THOUSAND
        if operator not in ("gte", "eq") or number > wanted:
            return "only that at least so many of the rules matched can be asked of temporal correlations"
        if rule.measure == "temporal_ordered" and number != wanted:
            return "temporal_ordered asks for all of its rules"
        return None
    if rule.measure in ("event_count", "value_count"):
        most = LIMIT - 1 if operator == "gt" else LIMIT
        if number > most * measure.THOUSAND:
            return f"a count of more than {LIMIT} is not kept exactly"
    return None


def step(rule: Correlation, state: State, of: str, record: Record, told: Told) -> Iterable[Finding]:
    """Take the match of one of the rules, of; told gives the event's fields under that rule's names."""
    item = _item(rule, of, record, told)
    key = _key(rule, of, told)
    if item is None or key is None:
        return ()
    group = state.groups.get(key) or Group(
        [Series() for _ in range(len(rule.rules) if _is_temporal(rule) else 1)]
    )
    remember(state.groups, key, group, GROUPS)
    at = rule.rules.index(of) if _is_temporal(rule) else 0
    if not group.series[at].add(item, rule.span + max(rule.span, LATENESS), _limit(rule)):
        return ()
    if (record.at, record.uid) >= group.last:
        group.last, group.person = (record.at, record.uid), record.person
        group.agent, group.host, group.boot = record.agent, record.host, record.boot
    if _is_temporal(rule):
        return _together(rule, key, group)
    if rule.measure in _SLIDING and rule.threshold.operator in _FROM_BELOW:
        return _grown(rule, key, group, item)
    group.judged = min(group.judged, item.time - 1)  # a late match changes the windows that end after it
    remember(state.unsettled, key, record.received, GROUPS)
    return ()


def passed(of: Callable[[Group], Correlation], state: State, now: int) -> Iterator[Finding]:
    """Judge the windows that have settled by now; of gives the rule as it is set for a group."""
    for key in [key for key, since in state.unsettled.items() if now - since >= SETTLE]:
        del state.unsettled[key]
        group = state.groups.get(key)
        if group is None:
            continue
        rule = of(group)
        (series,) = group.series
        for item in series.items:
            if item.time <= group.judged:
                continue
            window = series.ending(item.time, rule.span)
            if measure.holds(rule.measure, window, rule.threshold):
                yield _finding(rule, key, group, window)
        group.judged = series.items[-1].time


def _grown(rule: Correlation, key: str, group: Group, item: Item) -> Iterable[Finding]:
    """Return the window with the most, if one that this match is in suffices."""
    (series,) = group.series
    sliding = _SLIDING[rule.measure]
    own = series.densest(rule.span, sliding, containing=item.time)
    if not own or not measure.holds(rule.measure, own, rule.threshold):
        return ()
    return (_finding(rule, key, group, series.densest(rule.span, sliding)),)


def _together(rule: Correlation, key: str, group: Group) -> Iterable[Finding]:
    """Return the first window in which enough of the rules matched, or all one after the other."""
    if rule.measure == "temporal_ordered":
        chain = sequence(group.series, rule.span)
        return () if chain is None else (_finding(rule, key, group, list(chain)),)
    needed = rule.threshold.number
    for start in sorted(item.time for series in group.series for item in series.items):
        firsts = [found[0] for series in group.series if (found := series.between(start, start + rule.span))]
        if len(firsts) * measure.THOUSAND >= needed:
            return (_finding(rule, key, group, sorted(firsts)),)
    return ()


def _finding(rule: Correlation, key: str, group: Group, items: list[Item]) -> Finding:
    values = json.loads(key)
    of = dict(zip(rule.group_by, values, strict=True))
    about = ", ".join(f"{name} {text}" for name, text in of.items()) or "all hosts"
    count = measure.amount(rule.measure, items, rule.threshold)
    said = {"measure": rule.measure, "amount": f"{count / measure.THOUSAND:g}", "matches": str(len(items))}
    return Finding(
        entity=key,
        summary=f"{rule.title}: {about}: {len(items)} matches within {rule.span // 10**9} s",
        time=items[-1].time,
        agent=group.agent,
        host=group.host,
        evidence=uids(items),
        person=group.person,
        details=of | said,
        boot=group.boot,
    )


def _limit(rule: Correlation) -> int:
    """Return how many matches of a group are kept: twice what decides, as each new one looks at all."""
    if rule.measure in ("event_count", "value_count"):
        return min(LIMIT, max(_FEW, 2 * rule.threshold.number // measure.THOUSAND))
    return _FEW if _is_temporal(rule) else LIMIT // 4


def _is_temporal(rule: Correlation) -> bool:
    return rule.measure in ("temporal", "temporal_ordered")


def _item(rule: Correlation, of: str, record: Record, told: Told) -> Item | None:
    """Return the match as an observation; None where what is counted is not known of it."""
    name = rule.threshold.field
    text = told(rule.aliases.get(name, {}).get(of, name)) if name is not None else ""
    if text is None:
        return None
    if rule.measure in ("value_count", "event_count") or _is_temporal(rule):
        return Item(record.at, 0, record.uid, text[:_TEXT])
    number = measure.value(text)
    return None if number is None else Item(record.at, number, record.uid)


def _key(rule: Correlation, of: str, told: Told) -> str | None:
    """Return the group of a match; None where a value that groups is not known of it."""
    found = [told(rule.aliases.get(name, {}).get(of, name)) for name in rule.group_by]
    if None in found:
        return None
    return json.dumps([text[:_TEXT] for text in found if text is not None])
