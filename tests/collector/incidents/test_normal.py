"""Spreads of days against their definitions, and hours by a person's own clock."""

from __future__ import annotations

import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from collector.incidents import normal
from collector.organisation.known import Human, Known, Organisation


@given(st.lists(st.integers(0, 1 << 50), min_size=1, max_size=70))
def test_a_spread_is_what_its_names_say(sums: list[int]) -> None:
    told = normal.spread(sums)
    middle = statistics.median(sums)
    assert told.days == len(sums)
    assert told.total == sum(sums)
    assert told.most == max(sums)
    assert told.median == math.floor(middle)
    assert abs(told.mad - statistics.median(abs(one - middle) for one in sums)) < 1
    assert told.p95 in sums
    assert sum(one <= told.p95 for one in sums) >= 0.95 * len(sums)
    assert sum(one < told.p95 for one in sums) < 0.95 * len(sums)


def test_no_days_are_no_bytes() -> None:
    assert normal.spread([]) == normal.Spread(0, 0, 0, 0, 0, 0)


def test_hours_are_of_the_persons_own_clock_where_it_is_told() -> None:
    known = Known(Organisation(people=(Human("alice", timezone="Asia/Tokyo", hours=(9, 18)), Human("bob"))))
    told = normal.hours([24 * 20_000, 24 * 20_001, 24 * 20_001 + 3], "alice", known)
    assert (told.clock, told.days[9], told.days[12], sum(told.days), told.told) == (
        "Asia/Tokyo", 2, 1, 3, (9, 18)
    )  # fmt: skip
    plain = normal.hours([24 * 20_000], "bob", known)
    assert (plain.clock, plain.days[0], plain.told) == ("UTC", 1, None)
