"""Baselines agree with plain oracles over sets of days, and never depend on the order of arrival."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.measures.baselines import (
    DAY,
    DEPTH,
    Daily,
    Days,
    FirstSeen,
    LastSeen,
    cusum,
    day_of,
    day_seen,
    doublings,
    robust_z,
    twice_median,
)
from collector.record import Record
from evidence.event import stamp
from evidence.kinds.process import Exec

DAYS = st.lists(st.integers(1000, 1000 + DEPTH - 1), min_size=1, max_size=30)
SIGHTINGS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(1000, 1060)), max_size=30
)
VOLUMES = st.lists(st.integers(0, 1 << 50), min_size=1, max_size=40)


def of(days: list[int]) -> Days:
    made = Days(days[0])
    for day in days[1:]:
        made.mark(day)
    return made


@given(DAYS, st.integers(990, 1080), st.integers(0, 40))
def test_days_are_a_set(days: list[int], day: int, forget: int) -> None:
    earlier = [one for one in days if one < day]
    assert of(days).before(day) == max(earlier, default=None)
    since = day
    for one in sorted(set(earlier), reverse=True):
        if since - one > forget:
            break
        since = one
    assert of(days).appeared(day, forget) == since


@given(st.permutations([1000, 1001, 1005, 1040, 1063]))
def test_days_do_not_depend_on_order(days: list[int]) -> None:
    assert of(days) == of(sorted(days))


def test_days_far_apart_leave_the_last() -> None:
    days = of([1000, 1000 + DEPTH])
    assert days == Days(1000 + DEPTH, 1)
    days.mark(3)
    assert days.bits == 1


@given(SIGHTINGS, st.integers(1000, 1060), st.integers(1, 40), st.integers(0, 10), st.integers(0, 2))
def test_new_is_what_was_not_seen(
    seen: list[tuple[str, str, int]], day: int, forget: int, learn: int, stays: int
) -> None:
    table = FirstSeen()
    for entity, value, when in seen:
        table.saw(entity, value, when)
    again = FirstSeen()
    for entity, value, when in sorted(seen, reverse=True):
        again.saw(entity, value, when)
    for entity in "ab":
        first = min((when for who, _, when in seen if who == entity), default=day + 1)
        assert table.has_history(entity, day, learn) == (day - first >= learn)
        for value in "xyz":
            told = table.is_new(entity, value, day, forget=forget, learn=learn, stays=stays)
            assert told == again.is_new(entity, value, day, forget=forget, learn=learn, stays=stays)
            if stays == 0:
                recent = any(
                    (who, what) == (entity, value) and day - forget <= when < day for who, what, when in seen
                )
                assert told == (day - first >= learn and not recent)


def test_a_value_stays_new_for_as_long_as_asked() -> None:
    table = FirstSeen()
    table.saw("a", "x", 1000)
    for day in (1010, 1011, 1012):
        table.saw("a", "y", day)
    assert [table.is_new("a", "y", day, stays=1) for day in (1010, 1011, 1012)] == [True, True, False]


@settings(max_examples=20)
@given(st.integers(0, 3))
def test_tables_stay_bounded(extra: int) -> None:
    table = FirstSeen()
    for number in range(1100 + extra):
        table.saw("a", str(number), 1000)
    assert len(table.entities["a"].values) <= 256
    daily = Daily()
    for day in range(DEPTH + extra):
        daily.add(day, 1)
    assert daily.history(1 << 20) == [1] * DEPTH


def test_what_is_used_each_day_is_not_forgotten_for_what_comes_once() -> None:
    table = FirstSeen()
    for number in range(2000):
        day = 1000 + number // 50
        table.saw("a", "daily", day)
        table.saw("a", str(number), day)
    assert not table.is_new("a", "daily", 1040)
    assert table.is_new("a", "0", 1040)


@given(DAYS, st.integers(1000, 1080))
def test_rest_is_the_gap_to_the_day_before(days: list[int], day: int) -> None:
    table = LastSeen()
    for one in days:
        table.saw("a", one)
    top = sorted({*days})[-2:]
    earlier = [one for one in top if one < day]
    assert table.rest("a", day) == (day - max(earlier) if earlier else None)
    assert table.rest("b", day) is None


@given(st.dictionaries(st.integers(1000, 1063), st.integers(0, 100), max_size=30), st.integers(1000, 1080))
def test_cusum_is_pages(sums: dict[int, int], day: int) -> None:
    daily = Daily()
    for one, amount in reversed(sums.items()):
        daily.add(one, amount)
    score, since = 0, day
    for one in range(1000, day + 1):
        if score == 0:
            since = one
        score = max(0, score + sums.get(one, 0) - 20)
    found = cusum(daily, day, 20)
    assert found.score == score
    if score:
        assert found.since == since
    assert daily.total(1010, 1020) == sum(amount for one, amount in sums.items() if 1010 <= one <= 1020)


@given(st.integers(0, 1 << 62))
def test_doublings_are_the_logarithm_rounded_down(count: int) -> None:
    assert abs(doublings(count) - 1000 * math.log2(1 + count)) < 1.001


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1000), (1023, 10_000), ((1 << 40) - 1, 40_000)])
def test_doublings_of_powers_are_exact(count: int, expected: int) -> None:
    assert doublings(count) == expected


def test_no_volume_is_negative() -> None:
    with pytest.raises(ValueError, match="no volume is -1"):
        doublings(-1)
    with pytest.raises(ValueError, match="minimum of history"):
        twice_median(())


@given(VOLUMES)
def test_twice_the_median(values: list[int]) -> None:
    assert Fraction(twice_median(values), 2) == median(Fraction(value) for value in values)


@given(st.integers(0, 1 << 50), VOLUMES, st.integers(1, 3000))
def test_robust_z_is_the_formula(value: int, others: list[int], floor: int) -> None:
    logs = [Fraction(doublings(one)) for one in others]
    middle = median(logs)
    mad = max(median(abs(one - middle) for one in logs), Fraction(floor))
    expected = math.floor(Fraction(6745, 10_000) * (doublings(value) - middle) / mad * 1000)
    assert robust_z(value, others, floor=floor, least=1) == expected
    assert robust_z(value, others[::-1], floor=floor, least=1) == expected


def test_z_needs_history() -> None:
    assert robust_z(10**9, [1000] * 6) is None
    assert (robust_z(10**9, [1000] * 7) or 0) > 3500


def test_it_survives_storing() -> None:
    table = FirstSeen()
    for day in (1000, 1063):
        table.saw("a", "x", day)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(table), type=FirstSeen) == table
    last, daily = LastSeen(), Daily()
    last.saw("a", 1000)
    daily.add(1000, 5)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(last), type=LastSeen) == last
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(daily), type=Daily) == daily


def test_a_host_may_claim_any_time() -> None:
    event = stamp(Exec(pid=1), seq=1, time=2000 * DAY, mono=1)
    record = Record("a", 1, "boot", "web1", 1, 1000 * DAY, event)
    assert day_seen(record) == 1000
    early = stamp(Exec(pid=1), seq=1, time=5, mono=1)
    assert day_seen(msgspec.structs.replace(record, event=early)) == 1000 - DEPTH + 1
    usual = stamp(Exec(pid=1), seq=1, time=999 * DAY + 7, mono=1)
    assert day_seen(msgspec.structs.replace(record, event=usual)) == 999


def test_a_day_is_utc() -> None:
    assert day_of(DAY - 1) == 0
    assert day_of(DAY) == 1
