"""How the bench of insiders counts: lists by day, budgets, the one-line baseline; and a small run of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from range.fleet.insider import Insider
from range.fleet.settings import small
from tests.bench import insider, insider_play
from tests.bench.insider_play import Shown


def taker(name: str, *days: int) -> Insider:
    return Insider(
        name, name.lower(), "developer", "scp-out", 1, "scp", quiet=False, days=days, bytes=10, own=(1, 2, 3)
    )


def shown(name: str | None, score: float = 1.0) -> Shown:
    return Shown(name, (score,), ("some-rule (high)",), "")


def test_found_is_who_is_shown_on_the_day_or_the_next_within_the_budget() -> None:
    lists = {
        9: [shown("Ada"), shown("Ben")],
        10: [shown("Cleo"), shown("Dan")],
        11: [shown(None), shown("Eva")],
    }
    insiders = [taker("Ada", 9), taker("Cleo", 9), taker("Eva", 9), taker("Ben", 9)]
    one = insider_play.judge(lists, insiders, 1)
    assert [each.person for each in one.found] == ["Ada", "Cleo"]
    assert [each.person for each in one.missed] == ["Eva", "Ben"]
    assert [each.person for each in one.false] == [None]
    two = insider_play.judge(lists, insiders, 2)
    assert two.recall == pytest.approx(0.75)
    assert sorted(str(each.person) for each in two.false) == ["Dan", "Eva", "None"]


def test_the_baseline_looks_at_days_before_only_and_wants_some() -> None:
    days = {day: 1000 + day for day in range(8)}
    assert insider_play.robust_z({**days, 8: 50_000_000}, 8) == pytest.approx(
        insider_play.robust_z({**days, 8: 50_000_000, 9: 10**12}, 8) or 0.0
    )
    assert insider_play.robust_z(days, 4) is None
    assert (insider_play.robust_z({**days, 8: 50_000_000}, 8) or 0.0) > 3
    assert insider_play.robust_z(days, 20) is None


def test_a_small_month_is_measured_and_what_was_kept_of_it_measures_the_same(tmp_path: Path) -> None:
    settings = small(seed=2, days=13, hosts=10, people=8, machine=0.02, insiders=0.25, first_act=4)
    outcome = insider.measure(settings, tmp_path)
    assert insider.measure(settings, tmp_path).rows == outcome.rows
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_size > 0
    assert [row["alerts_per_day"] for row in outcome.rows] == [1, 5, 20]
    recalls = [row["recall"] for row in outcome.rows]
    assert recalls == sorted(recalls)
    assert all(set(row) == set(outcome.rows[0]) for row in outcome.rows)
    assert all(0 <= row["baseline_recall"] <= 1 for row in outcome.rows)
    assert outcome.said


def test_seeds_of_tuning_and_evaluation_are_apart() -> None:
    assert not set(insider.TUNING) & set(insider.EVALUATION)
    assert list(insider.seeds("1,7")) == [1, 7]
