"""Rules over real HTTP: listed with what is in force, changed with a reason, each change an act."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.rules import rulebook
from collector.sigma.read import read
from collector.sigma.ruleset import assemble

from . import lake
from .live import Live, serve

RULE = "upload-new-destination"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def careful(tmp_path: Path) -> Iterator[Live]:
    with serve(tmp_path, four_eyes=True) as running:
        yield running


def set_bytes(live: Live, value: str = "7_000_000", user: str = "ann", **scope: str) -> dict[str, Any]:
    body = {"name": "bytes", "value": value, "reason": "releases are larger", "scope": scope}
    answer: dict[str, Any] = live.post(f"/v1/rules/{RULE}/parameters", body, user).json()
    return answer


def in_force(live: Live) -> dict[str, Any]:
    row: dict[str, Any]
    (row,) = live.get("/v1/rules", rule=RULE).json()["rows"]
    (one,) = [one for one in row["parameters"] if one["parameter"]["name"] == "bytes"]
    told: dict[str, Any] = {"state": row["state"]} | one
    return told


def test_every_rule_is_listed_with_its_parameters(live: Live) -> None:
    rows = live.get("/v1/rules", user="vera").json()["rows"]
    assert len(rows) > 40
    assert {row["state"] for row in rows} == {"live"}
    assert in_force(live)["value"] == in_force(live)["parameter"]["default"] == 5_000_000
    assert live.get("/v1/rules", rule="none").status_code == 404


def test_a_parameter_is_set_for_all_or_some_and_let_go(live: Live) -> None:
    assert set_bytes(live)["in_force"] is True
    made = set_bytes(live, "9000000", person="alice")
    shown = in_force(live)
    assert shown["value"] == 7_000_000
    assert [(one["value"], one.get("scope", {})) for one in shown["settings"]] == [
        (7_000_000, {}),
        (9_000_000, {"person": "alice"}),
    ]
    assert shown["settings"][0]["author"] == "ann"
    ended = live.post(f"/v1/rules/settings/{made['id']}/end", {"reason": "over"})
    assert ended.json()["in_force"] is True
    assert len(in_force(live)["settings"]) == 1
    decisions = [act for act in live.acts.kept if act.verb.startswith("rule.")]
    assert [act.verb for act in decisions] == ["rule.set", "rule.set", "rule.unset"]
    assert decisions[-1].reason == "over"


@pytest.mark.parametrize(
    ("name", "value", "scope", "field"),
    [
        ("bytes", "many", {}, "bytes"),
        ("bytes", "-1", {}, "bytes"),
        ("size", "1", {}, "parameter"),
        ("archivers", "tar", {"person": "alice"}, "scope"),
        ("bytes", "1", {"person": "alice", "role": "dba"}, "scope"),
        ("bytes", "1", {"person": "a" * 257}, "body"),
        ("bytes", "1", {"person": ""}, "body"),
    ],
)
def test_what_makes_no_sense_is_refused(
    live: Live, name: str, value: str, scope: dict[str, str], field: str
) -> None:
    answer = live.post(
        f"/v1/rules/{RULE}/parameters", {"name": name, "value": value, "reason": "why", "scope": scope}
    )
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(field)
    assert "settings" not in in_force(live)


def test_a_viewer_decides_nothing_and_the_attempt_is_recorded(live: Live) -> None:
    body = {"name": "bytes", "value": "1", "reason": "why"}
    assert live.post(f"/v1/rules/{RULE}/parameters", body, "vera").status_code == 403
    assert (live.acts.kept[-1].verb, live.acts.kept[-1].allowed) == ("rules.set", False)
    assert in_force(live)["value"] == 5_000_000


def test_a_rule_is_staged_rested_and_live_again(live: Live) -> None:
    for state in ("staged", "off", "live"):
        answer = live.post(f"/v1/rules/{RULE}/state", {"state": state, "reason": "try", "budget": 3})
        assert answer.json()["in_force"] is True
        assert in_force(live)["state"] == state
    assert live.post("/v1/rules/none/state", {"state": "off", "reason": "try"}).status_code == 404
    assert live.post("/v1/rules/throttle/state", {"state": "off", "reason": "try"}).status_code == 404


def test_of_a_full_book_a_decision_is_refused_before_it_is_recorded(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebook, "SETTINGS_LIMIT", 1)
    assert set_bytes(live)["in_force"] is True
    assert set_bytes(live, "9000000")["in_force"] is True
    assert set_bytes(live, "9000000", person="alice")["code"] == "full"
    assert [act.verb for act in live.acts.kept if act.verb.startswith("rule.")] == ["rule.set", "rule.set"]


def test_with_four_eyes_a_second_person_approves(careful: Live) -> None:
    made = set_bytes(careful)
    assert (made["proposed"], made["in_force"]) == (True, False)
    (waiting,) = careful.get("/v1/rules").json()["proposals"]
    assert (waiting["id"], waiting["act"]["user"]) == (made["id"], "ann")
    path = f"/v1/rules/proposals/{made['id']}?answer=approve"
    assert careful.post(path, {"reason": "mine"}, "ann").status_code == 403
    assert in_force(careful)["value"] == 5_000_000
    assert careful.post(path, {"reason": "agreed"}, "adam").json()["in_force"] is True
    assert in_force(careful)["value"] == 7_000_000
    assert careful.post(path, {"reason": "again"}, "adam").status_code == 404


def test_what_a_staged_rule_found_is_in_no_list_and_no_story(live: Live) -> None:
    staged = lake.alert_row() | {
        "id": "5" * 24,
        "rule": "tried",
        "entity": "x",
        "staged": True,
        "summary": "tried",
    }
    live.lake.add("alerts", [staged])
    assert [row["id"] for row in live.get("/v1/alerts").json()["rows"]] == [lake.ALERT]
    assert [row["id"] for row in live.get("/v1/alerts", staged=True).json()["rows"]] == ["5" * 24]
    (incident,) = live.get("/v1/incidents").json()["rows"]
    assert "tried" not in str(incident)


def test_a_rule_goes_live_only_within_the_budget_it_kept_while_staged(live: Live) -> None:
    assert live.post("/v1/rules/off-hours/state", {"state": "staged", "reason": "try"}).status_code == 200
    one = lake.alert_row() | {"rule": "off-hours", "staged": True, "detected": lake.NOW + 1}
    live.lake.add("alerts", [one | {"id": f"{at:024}", "entity": f"e{at}"} for at in range(3)])
    wanted = {"state": "live", "reason": "two a day at most"}
    refused = live.post("/v1/rules/off-hours/state", wanted | {"budget": 2})
    assert (refused.status_code, refused.json()["code"]) == (409, "over_budget")
    assert "staged it gave 3.0 a day" in refused.json()["message"]
    assert live.post("/v1/rules/off-hours/state", wanted | {"budget": 3}).status_code == 200


def test_the_digest_counts_by_rule_what_was_found(live: Live) -> None:
    live.post("/v1/rules/off-hours/state", {"state": "staged", "reason": "try"})
    one = lake.alert_row() | {"rule": "off-hours", "staged": True, "severity": "low"}
    live.lake.add("alerts", [one | {"id": f"{at:024}", "entity": f"e{at}"} for at in range(3)])
    live.post(f"/v1/triage/{lake.ALERT}", {"label": "benign"})
    upload, staged = live.get("/v1/digest", user="vera").json()["rows"]
    assert (upload["rule"], upload["alerts"], upload["labels"]) == ("upload_by_login", 1, {"benign": 1})
    assert (staged["rule"], staged["findings"], staged["alerts"]) == ("off-hours", 3, 0)
    assert (staged["state"], staged["staged"]) == ("staged", True)
    assert live.get("/v1/digest", to="2020-01-01").json()["rows"] == []


def test_a_sigma_rule_is_listed_staged_and_hunted_by_its_id(tmp_path: Path) -> None:
    name = "11111111-1111-4111-8111-111111111111"
    text = f"title: curl\nid: {name}\nlogsource: {{product: linux, category: process_creation}}\n"
    text += "detection: {s: {Image|endswith: /curl}, condition: s}\n"
    with serve(tmp_path, sigma=assemble([read("curl.yml", text.encode(), {})])) as live:
        (row,) = live.get("/v1/rules", rule=name).json()["rows"]
        assert (row["title"], row["state"], row["kinds"]) == ("curl", "live", ["process.exec"])
        body = {"state": "staged", "reason": "let us see"}
        assert live.post(f"/v1/rules/{name}/state", body).status_code == 200
        (row,) = live.get("/v1/rules", rule=name).json()["rows"]
        assert row["state"] == "staged"
        found = live.post("/v1/hunt", {"rule": name, "since": "1h"}).json()
        assert [hit["evidence"] for hit in found["hits"]] == [[f"{lake.AGENT}:1:8"]]
        assert live.post("/v1/hunt", {"since": "1h"}).status_code == 400
        assert live.post("/v1/hunt", {"rule": name}, "vera").status_code == 403


def test_a_sigma_correlations_number_is_shown_set_tried_and_hunted_by(tmp_path: Path) -> None:
    of, name = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    text = f"title: curl\nid: {of}\nlogsource: {{product: linux, category: process_creation}}\n"
    text += "detection: {s: {Image|endswith: /curl}, condition: s}\n---\n"
    text += f"title: many\nid: {name}\nlevel: high\ncorrelation: {{type: event_count, rules: [{of}], "
    text += "group-by: [host], timespan: 1m, condition: {gte: 2}}\n"
    with serve(tmp_path, sigma=assemble([read("curl.yml", text.encode(), {})])) as live:

        def joined() -> list[bool]:
            found = live.post("/v1/hunt", {"rule": name, "since": "1h"}).json()
            return [hit["joined"] for hit in found["hits"] if hit["rule"] == name]

        (row,) = live.get("/v1/rules", rule=name).json()["rows"]
        assert [(one["parameter"]["name"], one["value"]) for one in row["parameters"]] == [
            ("threshold", 2),
            ("seconds", 60),
        ]
        assert joined() == []
        body = {"name": "threshold", "value": "1", "reason": "one is enough"}
        assert live.post(f"/v1/rules/{name}/parameters", body).json()["in_force"] is True
        assert joined() == [True]
        body["value"] = "5000"
        assert live.post(f"/v1/rules/{name}/parameters", body).status_code == 400
        trial = {"rule": name, "name": "threshold", "grid": ["1", "2"], "since": "1h"}
        made = live.post("/v1/tune", trial).json()
        assert [(one["value"], sum(one["by_day"])) for one in made["points"]] == [(1, 1), (2, 0)]
