"""Windows against naive oracles: exact over any boundary, and the same whatever order events arrive in."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.measures.windows import (
    EVIDENCE,
    Item,
    Measure,
    Series,
    absences,
    amount,
    sequence,
    sequences,
    uids,
)

ITEMS = st.lists(
    st.builds(
        Item, st.integers(0, 60), st.integers(0, 5), st.sampled_from("abcdefgh"), st.sampled_from("xyz")
    ),
    max_size=25,
)
SPANS = st.integers(0, 25)
MEASURES: tuple[Measure, ...] = ("count", "sum", "distinct")


def series(items: list[Item], keep: int = 10**18, limit: int = 1000) -> Series:
    made = Series([])
    for item in items:
        made.add(item, keep, limit)
    return made


@given(ITEMS, SPANS, st.integers(1, 10), st.randoms())
def test_what_is_kept_does_not_depend_on_the_order_of_arrival(
    items: list[Item], keep: int, limit: int, random: object
) -> None:
    unique = sorted(set(items))
    newest = unique[-1][0] if unique else 0
    expected = [item for item in unique if item[0] >= newest - keep][-limit:]
    shuffled = items[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert series(items, keep, limit).items == expected
    assert series(shuffled, keep, limit).items == expected


@given(ITEMS, SPANS, st.integers(1, 10))
def test_adding_says_whether_it_stayed_and_twice_is_once(items: list[Item], keep: int, limit: int) -> None:
    made = Series([])
    for item in items:
        assert made.add(item, keep, limit) == (item in made.items)
        before = list(made.items)
        made.add(item, keep, limit)
        assert made.items == before


@given(ITEMS, st.integers(-5, 65), SPANS)
def test_a_window_that_ends_somewhere(items: list[Item], time: int, span: int) -> None:
    expected = sorted(item for item in set(items) if time - span <= item[0] <= time)
    assert series(items).ending(time, span) == expected


def every_window(items: list[Item], span: int, containing: int | None) -> list[list[Item]]:
    """Return all windows there are: by trying each beginning, half steps included."""
    return [
        [item for item in items if begin <= 2 * item[0] <= begin + 2 * span]
        for begin in range(-60, 130)
        if containing is None or begin <= 2 * containing <= begin + 2 * span
    ]


@settings(max_examples=60)
@given(ITEMS.filter(bool), SPANS, st.sampled_from(MEASURES), st.data())
def test_the_densest_window_is_as_dense_as_any(
    items: list[Item], span: int, measure: Measure, data: st.DataObject
) -> None:
    made = series(items)
    containing = data.draw(st.one_of(st.none(), st.sampled_from([item[0] for item in items])))
    found = made.densest(span, measure, containing)
    candidates = every_window(made.items, span, containing)
    assert amount(found, measure) == max(amount(one, measure) for one in candidates)
    assert not found or found in candidates


def test_a_pair_that_straddles_any_boundary_shares_a_window() -> None:
    minute = 60 * 10**9
    for phase in range(0, minute, minute // 7):
        pair = [Item(phase, 1, "a", "x"), Item(phase + minute, 1, "b", "y")]
        assert series(pair).densest(minute, "count") == pair
        assert series(pair).ending(phase + minute, minute) == pair
        assert len(series(pair).densest(minute - 1, "count")) == 1


@settings(max_examples=60)
@given(st.lists(ITEMS.map(lambda items: items[:8]), min_size=2, max_size=3), SPANS)
def test_a_sequence_is_found_exactly_where_one_is(steps: list[list[Item]], span: int) -> None:
    made = [series(items) for items in steps]
    chains = [
        chain
        for chain in itertools.product(*steps)
        if all(one[0] < other[0] for one, other in itertools.pairwise(chain))
        and chain[-1][0] - chain[0][0] <= span
    ]
    found = list(sequences(made, span))
    assert set(found) <= set(chains)
    assert {one[-1] for one in found} == {one[-1] for one in chains}
    for one in found:
        assert one[0][0] == max(chain[0][0] for chain in chains if chain[-1] == one[-1]), "the tightest"
    first = sequence(made, span)
    assert first == (found[0] if found else None)
    assert first is None or first[-1] == min(chain[-1] for chain in chains)


@given(ITEMS, ITEMS, SPANS, st.integers(0, 90))
def test_absence_is_judged_when_its_time_is_over(
    first: list[Item], then: list[Item], span: int, watermark: int
) -> None:
    expected = [
        item
        for item in sorted(set(first))
        if watermark > item[0] + span and not any(item[0] <= other[0] <= item[0] + span for other in then)
    ]
    assert absences(series(first), series(then), span, watermark) == expected


@given(ITEMS, ITEMS, SPANS, st.randoms())
def test_shuffled_arrival_ends_in_the_same_answers(
    one: list[Item], other: list[Item], span: int, random: object
) -> None:
    sorted_answers = answers(sorted(one), sorted(other), span)
    random.shuffle(one)  # type: ignore[attr-defined]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert answers(one, other, span) == sorted_answers


def answers(one: list[Item], other: list[Item], span: int) -> list[object]:
    left, right = series(one), series(other)
    dense = [left.densest(span, measure) for measure in MEASURES]
    return [*dense, list(sequences([left, right], span)), absences(left, right, span, 40)]


@given(ITEMS)
def test_a_series_survives_being_stored(items: list[Item]) -> None:
    made = series(items)
    stored = msgspec.msgpack.encode(made)
    assert msgspec.msgpack.decode(stored, type=Series) == made


def test_evidence_is_the_earliest_and_the_last() -> None:
    items = [Item(n, 1, f"web1:1:{n}") for n in range(50)]
    named = uids(items)
    assert named == (*[f"web1:1:{n}" for n in range(EVIDENCE)], "web1:1:49")
    assert uids(items[:3]) == ("web1:1:0", "web1:1:1", "web1:1:2")
