"""Correlations: every type on exact sliding windows, in any order of arrival, across every boundary."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.hunting.sigma_way import through
from collector.record import Record
from collector.rule import BEGIN, Finding
from collector.sigma import correlate
from collector.sigma.document import Correlation, Counted, CountOperator, Threshold
from collector.sigma.standing import standings
from evidence.event import stamp
from evidence.kinds.process import Exec
from tests.collector.sigma.loaded import every_rule, rules_of

SECOND = 1_000_000_000
Match = tuple[float, str, dict[str, str]]
"""Seconds, the rule that matched, the event's fields."""


def correlation(
    measure: Counted = "event_count",
    operator: CountOperator = "gte",
    number: float = 3,
    *,
    rules: tuple[str, ...] = ("a",),
    field: str | None = None,
    percentile: int | None = None,
    group_by: tuple[str, ...] = ("user",),
    aliases: dict[str, dict[str, str]] | None = None,
) -> Correlation:
    return Correlation(
        id="c",
        title="t",
        severity="high",
        measure=measure,
        rules=rules,
        span=60 * SECOND,
        threshold=Threshold(operator, round(number * 1000), field, percentile),
        group_by=group_by,
        aliases=aliases or {},
    )


def record(at: float, seq: int) -> Record:
    event = stamp(Exec(pid=1), seq=seq, time=BEGIN + int(at * SECOND), mono=1)
    return Record("web1", 1, "boot", "web1", seq, BEGIN + 10**12, event)


def play(
    rule: Correlation, matches: Sequence[Match], order: Sequence[int] | None = None, *, until: bool = True
) -> list[Finding]:
    """Return the findings of matches that arrive in an order; the time passes after them if asked."""
    state = correlate.State()
    found: list[Finding] = []
    for number in order or range(len(matches)):
        at, of, values = matches[number]
        found += correlate.step(rule, state, of, record(at, number + 1), {"user": "bob", **values}.get)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=correlate.State)
    return (
        [*found, *correlate.passed(lambda _group: rule, state, BEGIN + 10**12 + correlate.SETTLE)]
        if until
        else found
    )


def times(*seconds: float, **values: str) -> list[Match]:
    return [(at, "a", values) for at in seconds]


@pytest.mark.parametrize("first", [0, 1, 29, 30, 59, 59.5, 60, 61, 3599])
def test_a_window_begins_with_any_match_and_no_clock_cuts_it(first: float) -> None:
    rule = correlation()
    assert play(rule, times(first, first + 30, first + 60))
    assert not play(rule, times(first, first + 30, first + 60.001))


def test_groups_are_counted_apart_and_by_the_aliases_of_each_rule() -> None:
    assert not play(correlation(), [*times(0, 1), *times(2, user="eve")])
    rule = correlation(
        "temporal", number=2, rules=("a", "b"), group_by=("who",), aliases={"who": {"b": "acct"}}
    )
    rule = msgspec.structs.replace(rule, aliases={"who": {"a": "user", "b": "acct"}})
    assert play(rule, [(0, "a", {"user": "eve"}), (5, "b", {"acct": "eve"})])
    assert not play(rule, [(0, "a", {"user": "eve"}), (5, "b", {"acct": "bob"})])
    assert not play(rule, [(0, "a", {"user": "eve"}), (5, "b", {})])


def values(*numbers: str) -> list[Match]:
    return [(at, "a", {"n": number}) for at, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("rule", "hit", "miss"),
    [
        (
            correlation("value_count", number=3, field="n"),
            values("a", "b", "a", "c"),
            values("a", "b", "a", "b"),
        ),
        (correlation("value_sum", "gt", 10, field="n"), values("4", "6", "0.5"), values("4", "6")),
        (correlation("value_avg", "gte", 5, field="n"), values("4", "6"), values("4", "5.9")),
        (correlation("value_avg", "lt", 2, field="n"), values("3", "0.5"), values("3", "1")),
        (correlation("value_median", "gt", 3, field="n"), values("1", "9", "4"), values("1", "2", "3")),
        (
            correlation("value_percentile", "gte", 9, field="n", percentile=95),
            values(*"1" * 9, "9"),
            values(*"8" * 20),
        ),
        (correlation("event_count", "eq", 2), times(0, 1), times(0)),
        (correlation("event_count", "lt", 2), times(0), []),
        (correlation("event_count", "neq", 1), times(0, 1), times(0)),
        (correlation("event_count", "gt", 2), times(0, 1, 2), times(0, 1)),
        (
            correlation("temporal", number=2, rules=("a", "b")),
            [(0, "b", {}), (60, "a", {})],
            [(0, "b", {}), (61, "a", {})],
        ),
        (
            correlation("temporal_ordered", number=2, rules=("a", "b")),
            [(0, "a", {}), (60, "b", {})],
            [(0, "b", {}), (60, "a", {})],
        ),
        (
            correlation("temporal", number=2, rules=("a", "b", "c")),
            [(0, "c", {}), (9, "a", {})],
            [(0, "c", {}), (9, "c", {})],
        ),
    ],
    ids=lambda one: f"{one.measure} {one.threshold.operator}" if isinstance(one, Correlation) else None,
)
def test_each_type_holds_or_not(rule: Correlation, hit: list[Match], miss: list[Match]) -> None:
    assert correlate.fault(rule) is None
    found = play(rule, hit)
    assert found
    assert set(found[-1].evidence) <= {f"web1:1:{seq}" for seq in range(1, len(hit) + 1)}
    assert not play(rule, miss)


RULES = [
    correlation(number=3),
    correlation("value_count", number=2, field="n"),
    correlation("value_sum", "gte", 5, field="n"),
    correlation("value_avg", "gte", 2, field="n"),
    correlation("value_median", "lt", 2, field="n"),
    correlation("event_count", "eq", 2),
    correlation("temporal", number=2, rules=("a", "b")),
    correlation("temporal_ordered", number=2, rules=("a", "b")),
]


@settings(max_examples=60, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    matches=st.lists(
        st.tuples(
            st.integers(0, 240),
            st.sampled_from("ab"),
            st.fixed_dictionaries({"n": st.sampled_from(("1", "2", "4", "x"))}),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda match: match[0],
    ),
    data=st.data(),
)
def test_the_last_word_does_not_depend_on_the_order_of_arrival(
    rule: Correlation, matches: list[Match], data: st.DataObject
) -> None:
    matches = [one for one in matches if one[1] in rule.rules]
    order = data.draw(st.permutations(range(len(matches))))
    assert play(rule, matches)[-1:] == play(rule, matches, order)[-1:]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=12), st.integers(2, 4))
def test_a_count_is_found_where_some_window_of_the_span_holds_as_many(
    seconds: list[int], number: int
) -> None:
    expected = any(max(some) - min(some) <= 60 for some in itertools.combinations(seconds, number))
    assert bool(play(correlation(number=number), times(*seconds))) is expected


def test_what_a_later_match_can_undo_waits_until_its_window_has_settled() -> None:
    rule = correlation("event_count", "eq", 2)
    assert play(rule, times(0, 1), until=False) == []
    found = play(rule, times(0, 1, 2))
    assert [one.details["matches"] for one in found] == ["2"]


def test_numbers_that_are_none_are_not_counted() -> None:
    rule = correlation("value_sum", "gte", 5, field="n")
    assert not play(rule, values("nan", "inf", "-5", "9" * 40, "x", "4.9"))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (correlation(number=5000), "more than 4096"),
        (correlation("temporal", "lt", 2, rules=("a", "b")), "at least"),
        (correlation("temporal_ordered", number=1, rules=("a", "b")), "all of its rules"),
    ],
)
def test_what_cannot_be_folded_exactly_is_refused(rule: Correlation, why: str) -> None:
    assert why in (correlate.fault(rule) or "")


def test_correlations_stand_as_their_rules_do() -> None:
    found = {one.title: one for one in standings(every_rule(), through) if one.type == "correlation"}
    assert {one.state for one in found.values()} == {"active"}
    assert found["Many shells of one user"].kind == "process.exec"
    made = rules_of(
        "title: a\nname: a\nlogsource: {product: windows}\ndetection: {s: {Image: x}, condition: s}\n---\n"
        "title: c\ncorrelation: {type: event_count, rules: [a], timespan: 5m, condition: {gte: 2}}\n---\n"
        "title: d\ncorrelation: {type: event_count, rules: [none], timespan: 5m, condition: {gte: 2}}\n---\n"
        "title: e\ncorrelation: {type: value_count, rules: [a], timespan: 5m, condition: {gte: 2}}\n"
    )
    reasons = {one.title: one.reason or "" for one in standings(made, through)}
    assert "rule a is inactive" in reasons["c"]
    assert "none" in reasons["d"]
    assert "field" in reasons["e"]
