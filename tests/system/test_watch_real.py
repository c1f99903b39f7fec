"""Watch and ship on this kernel: what runs is sealed, a kill is stated, ship reads no secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.identity_watch import PATIENCE
from agent.kernel.bpf_reader import LIMIT
from agent.supervision.privilege import ship_account
from evidence.kinds.agent import Start, Stop
from evidence.kinds.process import IdentityChanged
from tests.system.agent_at_work import ROOT, Agent, run_marks

LOGGED_IN = 1_000_000_000 + 2 * os.getpid()
FORGED = LOGGED_IN + 1
_OPEN_AS_SHIP = """
import sys
from agent.supervision import privilege
privilege.drop(privilege.ship_account())
for name in sys.argv[2:]:
    try:
        open(name, sys.argv[1])
        print("opened", name)
    except OSError:
        pass
"""

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: ship has to be another user"),
]


def test_each_command_is_sealed_once_and_a_stop_is_a_farewell(agent: Agent) -> None:
    agent.start("watch")
    marks = run_marks(1, 40)
    assert agent.stop() == 0
    assert agent.marks() == marks
    assert [body.reason for body in agent.bodies() if isinstance(body, Stop)] == ["stopped by SIGTERM"]
    agent.start("watch")
    agent.stop()
    assert [body.clean for body in agent.bodies() if isinstance(body, Start)] == [True, True]


def test_what_waits_when_it_is_stopped_is_sealed_however_much_it_is(agent: Agent) -> None:
    watch = agent.start("watch")
    watch.send_signal(signal.SIGSTOP)
    marks = run_marks(1, LIMIT)
    watch.send_signal(signal.SIGTERM)
    watch.send_signal(signal.SIGCONT)
    assert agent.stop() == 0
    assert agent.marks() == marks, "with their ends twice as many as one read takes"


def test_a_killed_watch_states_its_blind_interval(agent: Agent) -> None:
    agent.start("watch")
    marks = run_marks(1, 20)
    began = time.time_ns()
    agent.stop(signal.SIGKILL)
    agent.start("watch")
    ended = time.time_ns()
    marks += run_marks(21, 30)
    agent.stop()
    starts = [body for body in agent.bodies() if isinstance(body, Start)]
    assert [body.clean for body in starts] == [True, False]
    assert "login" in starts[1].blind
    (loss,) = [loss for said in agent.statements() for loss in said.loss if loss.cause == "login: agent died"]
    assert loss.from_ is not None
    assert loss.to is not None
    assert loss.from_ <= began
    assert loss.to <= ended
    assert loss.to - loss.from_ < ended - began + 6 * 10**9
    sealed = agent.marks()
    if "process" in starts[1].blind:  # its programs do not outlive it here
        assert sealed[-10:] == marks[-10:]
        assert sealed[:-10] == marks[: len(sealed) - 10]
    else:
        assert sealed == marks, "none is missing, none is there twice"


def forged(agent: Agent, script: str) -> list[tuple[int | None, int | None]]:
    """Run a script as LOGGED_IN, and return the changes from it that were told.

    Others log in on this kernel meanwhile; nobody else has this identity.
    """
    agent.start("watch")
    command = f"echo {LOGGED_IN} > /proc/self/loginuid; exec sh -c '{script}'"
    subprocess.run(["/bin/sh", "-c", command], check=True)
    time.sleep(PATIENCE / 1e9 + 1)  # a login event may explain it until then
    agent.stop()
    told = [body for body in agent.bodies() if isinstance(body, IdentityChanged)]
    changes = [(body.former_auid, body.actor.auid) for body in told]
    return [change for change in changes if not {LOGGED_IN, FORGED}.isdisjoint(change)]


def test_a_rewritten_login_uid_is_told_with_the_former(agent: Agent) -> None:
    script = f"echo {FORGED} > /proc/self/loginuid; /usr/bin/true forged"
    assert forged(agent, script) == [(LOGGED_IN, FORGED)]


def test_a_login_uid_rewritten_in_a_subshell_is_told_once(agent: Agent) -> None:
    script = f"(echo {FORGED} > /proc/self/loginuid; /usr/bin/true one; /usr/bin/true two; :); :"
    assert forged(agent, script) == [(LOGGED_IN, FORGED)]


def test_the_agent_under_its_supervisor_survives_the_death_of_watch(agent: Agent) -> None:
    process = agent.start("run")
    watch = children(process.pid)["vedette-watch"]
    os.kill(watch, signal.SIGKILL)
    agent.wait(lambda: children(process.pid).get("vedette-watch", watch) != watch, "watch is restarted")
    (agent.folder / "run/status.json").unlink(missing_ok=True)
    agent.wait((agent.folder / "run/status.json").exists, "watch reports again")
    assert agent.stop() == 0
    assert [body.clean for body in agent.bodies() if isinstance(body, Start)] == [True, False]


def test_ship_has_no_privilege_and_reads_none_of_the_hosts_secrets(agent: Agent) -> None:
    process = agent.start("run")
    agent.wait(lambda: "vedette-ship" in children(process.pid), "ship runs")
    account = ship_account()
    assert account is not None
    ship = children(process.pid)["vedette-ship"]
    agent.wait(lambda: status(ship, "Uid").split()[1] != "0", "ship gave up root")
    assert status(ship, "Uid").split() == [str(account.uid)] * 4
    assert status(ship, "NoNewPrivs") == "1"
    assert status(ship, "Groups") == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status(ship, name), 16) == 0
    places = agent.places
    agent.wait((places.out / "heads").exists, "watch sealed")
    reading = [places.signing_key, places.identity, Path("/etc/shadow")]
    writing = [places.out / "heads", places.out / "new", places.spool / "key"]
    for mode, paths in (("rb", reading), ("ab", writing)):
        command = [sys.executable, "-c", _OPEN_AS_SHIP, mode, *map(str, paths)]
        tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert tried.stdout == ""
    assert agent.stop() == 0


def children(pid: int) -> dict[str, int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {Path(f"/proc/{child}/comm").read_text().strip(): int(child) for child in listed}


def status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


def test_status_names_the_degraded(agent: Agent) -> None:
    agent.start("watch")
    command = [sys.executable, "-m", "agent.cli", "status", "--json", "--config", str(agent.config)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    answer = json.loads(found.stdout)
    assert found.returncode == (1 if answer["degraded"] else 0)
    assert {sensor["name"] for sensor in answer["watch"]["sensors"]} >= {"process", "connection"}
    assert agent.stop() == 0
