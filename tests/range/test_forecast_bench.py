"""The bench of forecasts: a small fleet is looked at, decided on, and lived with."""

from __future__ import annotations

from range.fleet.settings import small
from tests.bench import forecast


def test_a_small_fleet_is_forecast_and_lived_with() -> None:
    fleet = small(seed=2, days=13, hosts=10, people=8, machine=0.02, insiders=0.25, first_act=4)
    rows = forecast.live(fleet, learning=3, month=5)
    assert rows
    for row in rows:
        low, happened, high = row["low"], row["happened"], row["high"]
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert isinstance(happened, float)
        assert row["within"] is (low <= happened <= high)
    assert {str(row["rule"]) for row in rows} <= {rule for rule, _name in forecast.TRIED}
