"""The commands that show alerts, incidents, people and sessions, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from tests.collector.api import lake

from .conftest import ROOT, Served, run


def test_status_is_bad_news_only_when_there_is_a_problem(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, "status") == 0
    assert "web-1" in capsys.readouterr().out


def test_show_tells_the_whole_story(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "show", "c0ffee") == 0
    said = capsys.readouterr().out
    for part in (
        "alice",
        "audit session",
        lake.SOURCE,
        lake.FINGERPRINT,
        "session 7",
        "12,345,678",
        "203.0.113.9:443",
        "tar czf",
        "consistent, not anchored",
        "2 signed batches",
        "vedette tree",
    ):
        assert part in said


def test_an_incident_is_listed_and_told(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "incidents", "--json") == 0
    identity = json.loads(capsys.readouterr().out)["id"]
    for order in ((), ("--by", "surprise")):
        assert run(served, "incidents", *order) == 0
        assert identity in capsys.readouterr().out
    assert run(served, "show", identity[:10]) == 0
    said = capsys.readouterr().out
    for part in (
        identity,
        "HIGH",
        "12.3 MB",
        lake.SOURCE,
        "session web-1 7",
        "T1048 (exfiltration)",
        "upload_by_login, 12.3 MB or more",
        "on 0 of 0 days",
        "vedette timeline",
    ):
        assert part in said
    assert run(served, "show", "c0ffee", "--no-evidence") == 0
    assert f"vedette show {identity}" in capsys.readouterr().out


def test_show_as_json_has_iso_times(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "show", "c0ffee", "--json") == 0
    story = json.loads(capsys.readouterr().out)
    assert story["alert"]["time"] == "2027-01-15T07:59:10.000000000Z"
    assert story["evidence"]["status"] == "consistent, not anchored"


def test_a_person_is_shown_with_every_session_its_chain_and_bytes(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, "person", "alice", "--evidence") == 0
    said = capsys.readouterr().out
    assert "alice: 2 sessions on app-1, web-1" in said
    assert "12.4 MB out" in said
    assert "alice@web-1 #7 → deploy@app-1 #21" in said
    assert f"{lake.NEXT}:1:1" in said
    assert run(served, "person", "nobody") != 0
    assert run(served, "person", "alice", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sessions"][0]["opened"].endswith("Z")


def test_a_session_and_a_timeline_show_what_led_to_a_login(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, "session", "app-1", "21") == 0
    assert "reached by alice@web-1 #7 → deploy@app-1" in capsys.readouterr().out
    assert run(served, "timeline", "--person", "alice") == 0
    said = capsys.readouterr().out
    assert "reached by alice@web-1 #7 → deploy@app-1" in said
    assert "curl -T" in said


def test_what_is_normal_is_shown_and_why_an_alert_was_not(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(served, "baseline", "alice") == 0
    told = capsys.readouterr().out
    for part in ("alice", "hours 00", "sent outside", "12.3 MB", "/usr/bin/tar", "files.example"):
        assert part in told
    assert run(served, "baseline", "--alert", "c0ffee") == 0
    told = capsys.readouterr().out
    assert "nobody ever used it" in told
    assert "z unknown" in told
    assert run(served, "baseline", "--pair", "alice", lake.DESTINATION, "--json") == 0
    assert json.loads(capsys.readouterr().out)["sent"]["total"] == lake.UPLOADED
    assert run(served, "baseline", "--host", lake.HOST, "alice") == 2
    assert "type: vedette baseline" in capsys.readouterr().err


def test_the_digest_is_a_table_by_rule(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "digest") == 0
    told = capsys.readouterr().out
    assert "upload_by_login" in told
    assert "live" in told
    assert run(served, "digest", "--to", "2020-01-01") == 0
    assert "nothing was found" in capsys.readouterr().err


def test_followers_see_a_new_alert_within_a_second(served: Served) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "client.cli", "alerts", "--follow", "--json", "--severity", "critical"]
    with subprocess.Popen(
        [*words, "--config", str(served.folder)], stdout=subprocess.PIPE, env=environment, text=True
    ) as follower:
        stop = threading.Timer(60, follower.kill)
        stop.start()
        try:
            while not any(
                act.verb == "alerts" and act.detail and "since" in act.detail for act in served.live.acts.kept
            ):
                time.sleep(0.05)
            served.live.lake.add("alerts", [lake.alert_row(77, lake.NOW + 1, "critical")])
            assert follower.stdout is not None
            assert json.loads(follower.stdout.readline())["severity"] == "critical"
        finally:
            stop.cancel()
            follower.kill()
