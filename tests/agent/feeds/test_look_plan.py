from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.feeds.look_plan import QUICK, ROW, SAVED, SHARE, SLOW, LookPlan


def test_looks_each_second() -> None:
    plan = LookPlan(0)
    assert plan.wait(0) == SLOW
    assert plan.wait(SLOW) == 0
    plan.looked(SLOW, 100)
    assert plan.wait(SLOW) == SLOW


def test_looks_quickly_after_a_bell_and_then_no_more() -> None:
    plan = LookPlan(0)
    plan.ring(10)
    assert plan.wait(10) == QUICK - 10
    plan.looked(QUICK, 1000)
    assert plan.wait(QUICK) == QUICK
    assert plan.wait(10 + ROW) > QUICK


def test_a_row_that_costs_too_much_ends() -> None:
    plan = LookPlan(0)
    plan.ring(1)
    plan.looked(QUICK, 2 * SAVED)
    assert plan.wait(QUICK) == SLOW


def test_looks_that_spent_what_was_saved_come_as_their_share_allows() -> None:
    plan = LookPlan(0)
    plan.ring(1)
    plan.looked(QUICK, SAVED + 1)
    plan.looked(2 * QUICK, 300_000)
    assert plan.wait(2 * QUICK) == int(300_000 / SHARE)


def test_a_look_is_whole_each_second_whatever_is_executed() -> None:
    plan, whole, now = LookPlan(0), 0, 0
    while now < 10 * SLOW:
        plan.ring(now)
        now += plan.wait(now) or QUICK
        whole += plan.is_whole(now)
        plan.looked(now, 1000)
    assert whole == 10


def test_a_look_without_a_bell_is_whole() -> None:
    plan = LookPlan(0)
    plan.ring(1)
    plan.looked(QUICK, 1000)
    assert not plan.is_whole(2 * QUICK)
    assert plan.is_whole(QUICK + SLOW)


def test_a_late_look_is_told() -> None:
    plan = LookPlan(0)
    assert not plan.missed(SLOW)
    assert plan.missed(3 * SLOW + 1)


@given(st.integers(100_000, 5_000_000))
@settings(max_examples=20, deadline=None)
def test_an_endless_storm_costs_no_more_than_its_share(cost: int) -> None:
    plan, now, spent, end = LookPlan(0), 0, 0, 60 * SLOW
    while now < end:
        plan.ring(now)
        now += max(plan.wait(now), 1)
        plan.looked(now, cost)
        spent += cost
    assert spent <= SAVED + SHARE * end + cost * (end // SLOW + 2)
