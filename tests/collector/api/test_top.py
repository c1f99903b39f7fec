"""What rules cost, over real HTTP: the one that costs most first, with its share of all."""

from __future__ import annotations

from pathlib import Path

from collector.rules import costs
from collector.rules.costs import Measured, RuleCost, ViewCost

from . import lake
from .live import serve

MEASURED = Measured(
    (
        RuleCost("off-hours", "Works at odd hours", sigma=False, shown=610, findings=2, spent=1_000_000),
        RuleCost("5d71", "Slow", sigma=True, shown=100, findings=0, spent=2_000_000, beside=1_000_000),
        RuleCost("silence", "Silent", sigma=False, shown=0, findings=0, spent=0),
    ),
    (ViewCost("exec", 3, 1000, 990), ViewCost("dns", 1, 0, 0)),
)


def test_rules_are_ranked_by_what_they_cost(tmp_path: Path) -> None:
    with serve(tmp_path) as live:
        assert live.get("/v1/rules/top", user="vera").status_code >= 400, "nothing was measured yet"
        costs.write(costs.beside(live.lake.snapshot), MEASURED, lake.NOW, lake.NOW + 60 * lake.SECOND)
        live.post("/v1/rules/off-hours/state", {"state": "staged", "reason": "loud"})
        told = live.get("/v1/rules/top", user="vera").json()
        assert live.get("/v1/rules/top", user=None).status_code == 401
    assert told["until"] - told["since"] == 60 * lake.SECOND
    rows = [(one["rule"], one["state"], one["each"], one["share"]) for one in told["rows"]]
    assert rows == [
        ("5d71", "live", 20.0, 0.75),
        ("off-hours", "staged", 1.639, 0.25),
        ("silence", "live", None, 0.0),
    ]
    assert [(one["view"], one["hit_rate"]) for one in told["views"]] == [("exec", 0.99), ("dns", None)]
