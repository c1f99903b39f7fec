"""The commands about rules: shown, set, tried, explained, hunted with, and what they find noted of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.rules import costs
from collector.rules.costs import Measured, RuleCost, ViewCost
from tests.collector.api import lake

from .conftest import Served, run


def test_what_is_suppressed_is_hidden_until_that_is_ended(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, "suppress", "add", "--reason", "why", "--expires", "7d") == 2
    assert "scope" in capsys.readouterr().err
    assert run(served, "suppress", "add", "--rule", "upload_by_login") == 2
    words = ("--rule", "upload_by_login", "--reason", "a drill", "--expires", "7d", "--json")
    assert run(served, "suppress", "add", *words) == 0
    identity = json.loads(capsys.readouterr().out)["suppression"]["id"]
    for command in ("alerts", "incidents"):
        assert run(served, command) == 0
        assert "web-1" not in capsys.readouterr().out
    assert run(served, "alerts", "--suppressed") == 0
    assert ": a drill" in capsys.readouterr().out
    assert run(served, "suppress", "list") == 0
    assert "active" in capsys.readouterr().out
    assert run(served, "suppress", "end", identity) == 0
    assert run(served, "alerts") == 0
    assert "web-1" in capsys.readouterr().out


def test_a_rule_is_explained_on_an_event(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    uid = f"{lake.AGENT}:1:10"
    assert run(served, "explain", "upload-new-destination", "--event", uid, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["window"] > 1
    assert run(served, "explain", "upload-new-destination", "--event", uid) == 0
    said = capsys.readouterr().out
    for part in (
        "upload-new-destination",
        "connection.close",
        "alice, how: kernel",
        lake.DESTINATION,
        "bytes",
    ):
        assert part in said
    assert run(served, "explain", "upload-new-destination") == 2
    assert run(served, "explain", "c0ffee") == 2
    assert "judges no single events" in capsys.readouterr().err


def test_rules_are_shown_set_and_rested(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "rules") == 0
    assert "upload-new-destination" in capsys.readouterr().out
    assert run(served, "rules", "set", "off-hours", "days=12", "--reason", "new people", "--role", "dba") == 0
    capsys.readouterr()
    assert run(served, "rules", "show", "off-hours") == 0
    told = capsys.readouterr().out
    assert "days = 10  days, 1 to 3650" in told
    assert "12 for role dba by ann" in told
    assert run(served, "rules", "stage", "off-hours", "--reason", "too loud") == 0
    assert run(served, "rules", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows if row["state"] == "staged"] == ["off-hours"]
    assert run(served, "rules", "live", "off-hours", "--reason", "better", "--budget", "5") == 0


def test_rules_are_ranked_by_cost(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    at = costs.beside(served.live.lake.snapshot)
    costs.write(at, Measured(), lake.NOW, lake.NOW)
    assert run(served, "rules", "top") == 0
    assert "no rule was measured yet" in capsys.readouterr().err
    slow = RuleCost("5d71", "Slow\x1b[2J", sigma=True, shown=100, findings=7, spent=3_000_000)
    idle = RuleCost("silence", "Silent", sigma=False, shown=0, findings=0, spent=0, beside=1_000_000)
    views = (ViewCost("exec", 3, 1000, 990), ViewCost("dns", 1, 0, 0))
    costs.write(at, Measured((idle, slow), views), lake.NOW, lake.NOW)
    assert run(served, "rules", "top") == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    lines = [line.split() for line in told.splitlines()]
    assert ["5d71", "live", "100", "7", "30.00", "0.00", "75.0%"] in [line[:7] for line in lines]
    assert ["exec", "3", "1000", "99.0%"] in lines
    assert run(served, "rules", "top", "--json") == 0
    assert [row["rule"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["5d71", "silence"]


def test_a_decision_without_a_reason_says_what_to_type(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, "rules", "set", "off-hours", "days=12") == 2
    assert "vedette rules set RULE NAME=VALUE --reason WHY" in capsys.readouterr().err
    assert run(served, "rules", "set", "off-hours", "days", "--reason", "why") == 2
    assert run(served, "rules", "set", "off-hours", "days=x", "--reason", "why") == 2
    assert "'x' is no integer of days" in capsys.readouterr().err


def test_a_threshold_is_tried_and_set(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", "upload-new-destination", "--set", "bytes=900000000", "--since", "2d"]
    assert run(served, *words, "--apply", "--reason", "films") == 0
    told = capsys.readouterr()
    assert "1 fewer than now" in told.out
    assert "900000000" in told.out
    assert "bytes = 900000000: in force" in told.err
    assert run(served, *words, "--apply") == 2
    assert run(served, "tune", "upload-new-destination") == 2
    assert "vedette tune RULE --set NAME=VALUE" in capsys.readouterr().err
    made = json.loads(_json(served, capsys, "rules", "show", "upload-new-destination"))
    (setting,) = next(one for one in made["parameters"] if "settings" in one)["settings"]
    assert run(served, "rules", "unset", setting["id"], "--reason", "tested") == 0


def _json(served: Served, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(served, *words, "--json") == 0
    return capsys.readouterr().out


def test_an_alert_is_triaged(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(served, "triage", lake.ALERT[:12], "--close", "benign", "--assign", "ann", "--note", "agreed")
        == 0
    )
    assert "closed as benign, ann" in capsys.readouterr().out
    assert run(served, "triage", lake.ALERT[:12]) == 0
    assert "ann  closed as benign, ann: agreed" in capsys.readouterr().out
    assert run(served, "alerts") == 0
    assert "closed as benign" in capsys.readouterr().out
    assert run(served, "triage", lake.ALERT[:12], "--open") == 0


HUNTED = """
title: Files handed to curl
level: high
logsource: {product: linux, category: process_creation}
detection:
    s: {Image|endswith: /curl, CommandLine|contains: ' -T '}
    condition: s
"""


def test_a_rule_of_a_file_is_hunted_through_what_is_stored(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = tmp_path / "curl.yml"
    rule.write_text(HUNTED)
    assert run(served, "hunt", str(rule), "--since", "1h") == 1
    told = capsys.readouterr()
    assert "alice" in told.out
    assert "Files handed to curl" in told.out
    assert "1 hits; 1 events were looked at in full" in told.err
    assert run(served, "hunt", str(rule), "--since", "1h", "--json") == 1
    hit = json.loads(capsys.readouterr().out)
    assert hit["evidence"] == [f"{lake.AGENT}:1:8"]
    rule.write_text(HUNTED.replace("/curl", "/wget"))
    assert run(served, "hunt", str(rule), "--since", "1h") == 0
    rule.write_text(HUNTED.replace("contains", "nosuch"))
    assert run(served, "hunt", str(rule)) == 2
    assert "nosuch" in capsys.readouterr().err
    assert run(served, "hunt", "no-such-rule") == 2
    assert "no Sigma rule no-such-rule is in force" in capsys.readouterr().err
    assert run(served, "hunt", str(tmp_path / "none.yml")) == 2
