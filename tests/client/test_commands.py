"""The commands against a live API over TLS, as a user runs them."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from client.cli import load, main, verbs
from collector import costs
from collector.costs import Measured, RuleCost, ViewCost
from tests.collector.api import lake, live

from .conftest import Served, certificate

ROOT = Path(__file__).parents[2]


def run(served: Served, *words: str) -> int:
    return main([*words, "--config", str(served.folder)])


def test_the_login_is_for_its_user_alone(served: Served) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in served.folder.iterdir()} == {0o600}
    said = b"".join(path.read_bytes() for path in served.folder.iterdir())
    assert live.PASSWORD.encode() not in said


def test_without_a_login_the_next_command_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "--config", str(tmp_path)]) == 3
    assert "vedette login --url" in capsys.readouterr().err


def test_a_wrong_password_is_a_fault_without_a_traceback(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong").write_text("not the password\n")
    words = ["login", "--url", served.live.url, "--ca", str(served.ca), "--user", "vera"]
    assert main([*words, "--password-file", str(tmp_path / "wrong"), "--config", str(tmp_path)]) == 2
    assert "password is wrong" in capsys.readouterr().err
    assert not (tmp_path / "login.json").exists()


def test_another_ca_or_pin_is_refused(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, _ = certificate(tmp_path)
    (tmp_path / "password").write_text(live.PASSWORD)
    end = ["--user", "vera", "--password-file", str(tmp_path / "password"), "--config", str(tmp_path)]
    assert main(["login", "--url", served.live.url, "--ca", str(other), *end]) == 2
    assert "not from the CA" in capsys.readouterr().err
    assert main(["login", "--url", served.live.url, "--ca", str(served.ca), "--pin", "00" * 32, *end]) == 2
    assert "another key" in capsys.readouterr().err
    assert main(["login", "--url", "http://127.0.0.1:1", "--ca", str(served.ca), *end]) == 2


def test_a_collector_that_is_away_is_named(served: Served, tmp_path: Path) -> None:
    for name in ("login.json", "ca.pem"):
        (tmp_path / name).write_bytes((served.folder / name).read_bytes())
    login = json.loads((tmp_path / "login.json").read_text())
    (tmp_path / "login.json").write_text(json.dumps(login | {"url": "https://127.0.0.1:1"}))
    assert main(["status", "--config", str(tmp_path)]) == 2


def test_a_token_that_is_over_asks_for_a_login(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text(live.PASSWORD)
    words = ["--url", served.live.url, "--ca", str(served.ca), "--user", "adam"]
    folder = ["--config", str(tmp_path)]
    assert main(["login", *words, "--password-file", str(tmp_path / "password"), *folder]) == 0
    before = (tmp_path / "login.json").read_bytes()
    assert main(["login", "--out", *folder]) == 0
    (tmp_path / "login.json").write_bytes(before)
    assert main(["alerts", *folder]) == 3
    assert "vedette login" in capsys.readouterr().err


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


def test_show_as_json_has_iso_times(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "show", "c0ffee", "--json") == 0
    story = json.loads(capsys.readouterr().out)
    assert story["alert"]["time"] == "2027-01-15T07:59:10.000000000Z"
    assert story["evidence"]["status"] == "consistent, not anchored"


@pytest.mark.parametrize(
    "words",
    [
        ("alerts",),
        ("alerts", "--json"),
        ("show", "c0ffee"),
        ("incidents",),
        ("incidents", "--json"),
        ("suppress", "add", "--rule", "\x1b[2J", "--reason", "\x07", "--expires", "\x1b[2J"),
        ("search", "touch"),
        ("search", "touch", "--json"),
        ("timeline", "--person", "alice"),
        ("timeline", "--person", "alice", "--json"),
        ("person", "alice", "--evidence"),
        ("person", "alice", "--json"),
        ("session", "web-1", "7"),
        ("session", "web-1", "7", "--json"),
        ("tree", "--host", "web-1", "--pid", "1001"),
        ("tree", "--host", "web-1", "--pid", "1001", "--json"),
        ("sql", "SELECT cmd_line, body FROM events WHERE pid = 1004"),
        ("sql", "SELECT cmd_line, body FROM events WHERE pid = 1004", "--json"),
        ("sql", 'SELECT 1 AS "a\x1b[2J"'),
        ("show", "\x1b[2J"),
        ("search", "nofield\x1b[2J:1"),
    ],
)
def test_nothing_from_events_or_words_steers_the_terminal(
    served: Served, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    run(served, *words)
    out, err = capsys.readouterr()
    for character in "\x1b\x07\x9b\u202e":
        assert character not in out + err
    assert out + err != ""


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


def test_the_evil_name_is_shown_visibly(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "timeline", "--person", "alice") == 0
    assert "touch \\x1b[2Jtmp\\x1b]0;owned\\x07\\u202egpj.exe" in capsys.readouterr().out


def test_json_still_means_the_exact_name(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "search", "cmd_line:touch*", "--json") == 0
    assert json.loads(capsys.readouterr().out)["body"]["argv"] == ["touch", lake.EVIL]


def test_a_pipe_gets_no_colour_and_no_wrapping(served: Served) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "40", "TERM": "xterm-256color"}
    said = subprocess.run(
        [sys.executable, "-m", "client.cli", "alerts", "--config", str(served.folder)],
        capture_output=True,
        env=environment,
        cwd="/",
        check=True,
        timeout=60,
    )
    assert b"\x1b" not in said.stdout + said.stderr
    assert b"203.0.113.9:443" in said.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("search", "user:(a"), 2),
        (("search", "--limit", "0"), 2),
        (("show", "ffff"), 2),
        (("timeline",), 2),
        (("tree",), 2),
        (("sql", "DROP TABLE events"), 2),
        (("sql", "SELECT * FROM read_text('/etc/passwd')"), 2),
        (("export", "--format", "bundle", "--out", "-"), 2),
        (("alerts", "--severity", "urgent"), 2),
        (("nonsense",), 2),
        ((), 2),
        (("--help",), 0),
        (("search", "--fields"), 0),
        (("version",), 0),
    ],
)
def test_exit_codes(
    served: Served, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int
) -> None:
    known = words[:1] and words[0] in verbs()
    assert (run(served, *words) if known else main(list(words))) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert (err if code else out) != ""


def test_exports_are_whole_files_in_their_formats(served: Served, tmp_path: Path) -> None:
    for form in ("ocsf", "parquet", "csv"):
        assert run(served, "export", "--format", form, "--out", str(tmp_path / form)) == 0
    count = len(lake.story()) + lake.reached().num_rows
    objects = [json.loads(line) for line in (tmp_path / "ocsf").read_bytes().splitlines()]
    assert len(objects) == count
    assert {each["metadata"]["version"] for each in objects} == {"1.8.0"}
    assert pq.read_table(tmp_path / "parquet").num_rows == count
    rows = list(csv.DictReader((tmp_path / "csv").open(newline="")))
    assert len(rows) == count
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@", "-b"))]
    assert "'=cmd|' /C calc'!A0" in {row["cmd_line"] for row in rows}
    assert {path.name for path in tmp_path.iterdir()} == {"ocsf", "parquet", "csv"}


def test_an_export_that_fails_leaves_no_file(served: Served, tmp_path: Path) -> None:
    assert run(served, "export", "nofield:1", "--format", "csv", "--out", str(tmp_path / "x")) == 2
    assert run(served, "export", "--format", "csv", "--out", str(tmp_path / "no" / "x")) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_fetched_and_checked_offline(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b"
    assert run(served, "export", "--format", "bundle", "--alert", "c0ffee", "--out", str(out)) == 0
    assert main(["verify", str(out)]) == 0
    assert "consistent, not anchored" in capsys.readouterr().out
    out.write_bytes(out.read_bytes()[:-9])
    assert main(["verify", str(out)]) == 1
    assert main(["verify", str(tmp_path / "none")]) == 2
    (tmp_path / "receipts").write_text("nonsense\n")
    assert main(["verify", str(out), "--trust", str(tmp_path / "receipts")]) == 2


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


def test_every_module_is_a_command_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    expected = "alerts export login person search session show sql status timeline tree verify version"
    assert set(expected.split()) <= set(verbs())
    for verb in verbs():
        assert load(verb).verb == verb
        assert main([verb, "--help"]) == 0
        assert verb in capsys.readouterr().out


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


def test_the_digest_is_a_table_by_rule(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(served, "digest") == 0
    told = capsys.readouterr().out
    assert "upload_by_login" in told
    assert "live" in told
    assert run(served, "digest", "--to", "2020-01-01") == 0
    assert "nothing was found" in capsys.readouterr().err


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
