"""`selftest` asks the running agent; `doctor --bundle` writes what support may see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.system.agent_at_work import ROOT, Agent

CANARY = "hunter2-not-for-support"


def command(agent: Agent, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "agent.cli", *words, "--config", str(agent.config)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_every_sensor_sees_an_event_of_its_own_making(agent: Agent) -> None:
    agent.start("run")
    done = command(agent, "selftest", "--json")
    results = json.loads(done.stdout)
    names = {result["sensor"] for result in results}
    assert {"process", "connection", "file", "login"} <= names
    blind = [result for result in results if result["applies"] and not result["saw"]]
    assert {result["sensor"] for result in results if not result["applies"]} <= {"logs", "module"}, results
    # A host may have no log to write to, and an older kernel no rung for some acts.
    without_rung = {result["sensor"] for result in blind if result["rung"] is None}
    assert without_rung.isdisjoint({"process", "connection", "file", "module"}), blind
    assert {result["sensor"] for result in blind} <= {"login", *without_rung}, blind
    assert done.returncode == (1 if blind else 0)


def test_a_selftest_without_watch_says_how_to_start_it(agent: Agent) -> None:
    agent.start("run")
    (agent.folder / "run/kept.json").write_bytes((agent.folder / "run/status.json").read_bytes())
    agent.stop()
    done = command(agent, "selftest")
    assert done.returncode == 2
    assert "systemctl start" in done.stderr
    (agent.folder / "run/kept.json").rename(agent.folder / "run/status.json")
    done = command(agent, "selftest")
    assert (done.returncode, "has ended" in done.stderr) == (2, True)


def test_a_bundle_for_support_holds_no_secret(agent: Agent, tmp_path: Path) -> None:
    agent.config.write_text(
        agent.config.read_text().replace(
            "https://127.0.0.1:1", f"https://user:{CANARY}@127.0.0.1:1/?token={CANARY}"
        )
    )
    file = tmp_path / "support.json"
    done = command(agent, "doctor", "--bundle", str(file))
    assert done.returncode in (0, 1), done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    content = json.loads(file.read_text())
    assert {"version", "findings", "settings", "status", "spool", "host"} <= set(content)
    assert "missing" in content["status"]
    assert CANARY not in file.read_text()
    again = command(agent, "doctor", "--bundle", str(file))
    assert again.returncode == 2
    assert "name a new file" in again.stderr
