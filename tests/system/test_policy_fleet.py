"""A real collector and a real agent: policies on their way, and what a collector without the key can do."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.lake.decode import Reading
from collector.ledger.reader import LedgerReader
from collector.paths import Paths
from collector.policy import policies
from collector.policy.rollout import ROLL_OUT, Decision
from collector.state_db import StateDb
from evidence import policy
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.kind import Body
from evidence.kinds.agent import Heartbeat, Start
from evidence.kinds.policy import Applied, Refused
from evidence.kinds.process import Exec
from evidence.policy import Policy
from evidence.policy_settings import Filtered, Ignore, PolicySettings
from tests.agent.feeds_at_work import run
from tests.system.agent_at_work import ROOT, unpinned
from tests.system.collector_at_work import CollectorAtWork

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
DAY = 86_400 * 10**9
PATIENCE = 60.0


class Fleet:
    """A collector and one host, labelled role=web, that pinned the public key of `key`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "collector").mkdir()
        self.collector = CollectorAtWork(folder / "collector")
        self.collector.command("setup")
        self.collector.serve()
        self.collector.command("policy", "key", "new", self.path("key"))
        self.runner = folder / "runner"
        shutil.copy("/usr/bin/true", self.runner)
        self._enrol()
        self.process: subprocess.Popen[bytes] | None = None

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def agent(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "agent.cli", *words, "--config", self.path("agent.toml")]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)

    def start(self) -> None:
        line = [sys.executable, "-m", "agent.cli", "run", "--config", self.path("agent.toml")]
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(line, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self.until(lambda: any(isinstance(one, Start) for one in self.bodies()), "the agent started")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def sign(self, version: int, programs: list[str], content: str = "fleet.toml") -> str:
        text = f"name = 'fleet'\n[settings.process.ignore]\nprograms = {json.dumps(programs)}\n"
        (self.folder / content).write_text(text)
        return self.sign_again(content, version)

    def sign_again(self, content: str, version: int) -> str:
        out = f"v{version}.policy"
        words = ("--version", str(version), "--key", self.path("key"), "--out", self.path(out))
        self.collector.command("policy", "sign", self.path(content), *words)
        return self.path(out)

    def decide(self, verb: str, document: str, *more: str) -> str:
        return self.collector.command("policy", verb, document, "--reason", "a test", *more)

    def bodies(self) -> list[Body]:
        """Return what the host's batches in the ledger say."""
        reader = LedgerReader(self.collector.state / "ledger")
        with closing(reader):
            batches = [item for item in reader.items(0, 100_000) if item.type is EntryType.BATCH]
        return [event.body for item in batches for part in Reading(item).parts() for event in part]

    def answers(self) -> list[tuple[str, int | None]]:
        told = [body for body in self.bodies() if isinstance(body, Applied | Refused)]
        return [(one.cause if isinstance(one, Applied) else one.ground, one.version) for one in told]

    def execs(self, program: str) -> list[str]:
        found = [one for one in self.bodies() if isinstance(one, Exec) and one.argv[:1] == (program,)]
        return [one.argv[1] for one in found]

    def ran(self, mark: str) -> None:
        """Run the runner, then another program, and wait until the latter is in the ledger."""
        run(str(self.runner), mark)
        run("/usr/bin/true", mark)
        self.until(lambda: mark in self.execs("/usr/bin/true"), mark)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if holds():
                return
            time.sleep(0.3)
        raise AssertionError(f"not within {PATIENCE:.0f} s: {what}; {self.answers()}")

    def status(self) -> dict[str, Any]:
        """Return what watch wrote of itself last; it does so now and then."""
        return dict(json.loads(self.agent("status", "--json").stdout)["watch"])

    def filtered(self) -> int:
        """Return how many runs of the runner status says were left out."""
        sensors = self.status()["sensors"]
        counts: dict[str, int] = next(one["filtered"] for one in sensors if one["name"] == "process")
        return counts.get(str(self.runner), 0)

    def _enrol(self) -> None:
        token = self.collector.command("token", "create", "--label", "role=web").strip()
        line = (self.folder / "key.pub").read_text()
        (self.folder / "token").write_text(f"{token}\n{line}")
        (self.folder / "agent.toml").write_text(
            f"state = '{self.folder}/agent'\nruntime = '{self.folder}/run'\nheartbeat = 2.0\n"
            f"[collector]\ningest = 'https://127.0.0.1:{self.collector.port('ingest')}'\n"
            f"enrol = 'https://127.0.0.1:{self.collector.port('console')}'\n"
            "[policy]\nfetch_seconds = 1\n[file]\ntrees = []\nsensitive = []\n"
        )
        enrolled = self.agent("enroll", "--token-file", self.path("token"))
        assert enrolled.returncode == 0, enrolled.stderr


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    if os.geteuid() != 0:
        pytest.skip("needs root: a program that root alone can change")
    folder = Path(tempfile.mkdtemp(prefix="vedette-fleet-", dir="/var/lib"))
    folder.chmod(0o755)  # ship, as another user, must get through
    made = Fleet(folder)
    try:
        yield made
    finally:
        with unpinned(folder / "agent"):
            made.stop()
        made.collector.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_policy_is_staged_by_label_applied_live_and_rolled_back(fleet: Fleet) -> None:
    assert fleet.agent("enroll", "--policy-key", fleet.path("key.pub")).returncode == 0
    fleet.collector.command("policy", "key", "new", fleet.path("other"))
    pinned = fleet.agent("enroll", "--policy-key", fleet.path("other.pub"))
    assert (pinned.returncode, "another policy key" in pinned.stderr) == (2, True)
    fleet.start()
    fleet.ran("before")
    first = fleet.sign(1, [])
    fleet.decide("roll-out", first, "--public", fleet.path("key.pub"))
    fleet.until(lambda: ("taken", 1) in fleet.answers(), "the first is taken")
    second = fleet.sign(2, [str(fleet.runner)])
    fleet.decide("stage", second, "--label", "role=db")
    fleet.ran("not staged here")
    fleet.decide("stage", second, "--label", "role=web")
    fleet.until(lambda: ("taken", 2) in fleet.answers(), "the second is taken")
    fleet.ran("ignored")
    shown = fleet.agent("config", "show")
    assert f'programs = ["{fleet.runner}"]  # policy fleet 2' in shown.stdout
    fleet.until(lambda: fleet.filtered() >= 1, "status follows")
    policy = fleet.status()["policy"]
    assert (policy["version"], policy["state"]) == (2, "taken")
    fleet.decide("roll-back", fleet.sign_again("v1.policy", 3))
    fleet.until(lambda: ("taken", 3) in fleet.answers(), "the way back is taken")
    fleet.ran("after")
    assert fleet.execs(str(fleet.runner)) == ["before", "not staged here", "after"]
    assert fleet.answers() == [("taken", 1), ("taken", 2), ("taken", 3)]

    def stands() -> bool:
        (one, *_) = [
            row
            for row in json.loads(fleet.collector.command("policy", "show", "--json"))
            if row.get("cause") == "taken"
        ] or [{}]
        return one.get("holds") == one.get("offered") == "fleet 3" and "differs" not in one

    fleet.until(stands, "show says which version holds")
    assert len(json.loads(fleet.collector.command("policy", "list", "--json"))) == 3


def offer(fleet: Fleet, *documents: bytes) -> None:
    """Offer what the holder of the collector wishes, past its commands and its ledger."""
    paths = Paths(fleet.collector.state)
    with StateDb(paths.state_db).transaction() as db, contextlib.suppress(sqlite3.Error):
        db.execute("DELETE FROM policies")
    found = policies.Policies(StateDb(paths.state_db))
    public = PrivateKey(b"\x05" * 32).public.hex()
    now = time.time_ns()
    made = [
        Decision(ROLL_OUT, "eve", now + at, "", each.decode(), public, {}, 100)
        for at, each in enumerate(documents)
    ]
    found.take(made, found.position())


def test_a_collector_cannot_blind_an_agent(fleet: Fleet) -> None:
    fleet.start()
    first, second = fleet.sign(1, []), fleet.sign(2, [])
    old = Path(first).read_bytes().strip()
    good = Path(second).read_bytes().strip()
    fleet.decide("roll-out", second, "--public", fleet.path("key.pub"))
    fleet.until(lambda: ("taken", 2) in fleet.answers(), "the second is taken")
    now = time.time_ns()
    quiet = PolicySettings(process=Filtered(ignore=Ignore(programs=(str(fleet.runner),))))
    forged = Policy(name="fleet", version=9, issued=now, from_=now, until=now + DAY, settings=quiet)
    by_other = policy.sign(forged, PrivateKey(b"\x05" * 32))
    keyid, signature = (good[good.index(b'"keyid":"') :][9:73], good[good.index(b'"sig":"') :][7:95])
    other = policy.parse(by_other)
    dressed = by_other.replace(other.key_id.encode(), keyid)
    at = dressed.index(b'"sig":"') + 7
    dressed = dressed[:at] + signature + dressed[at + 88 :]
    words = ("--version", "10", "--key", fleet.path("key"), "--out", fleet.path("short.policy"))
    fleet.collector.command("policy", "sign", fleet.path("fleet.toml"), *words, "--until", "1s")
    time.sleep(1.1)
    expired = Path(fleet.path("short.policy")).read_bytes().strip()
    attacks = [
        (by_other, ("another key", None)),
        (dressed, ("bad signature", None)),
        (old, ("older", 1)),
        (expired, ("expired", 10)),
    ]
    for document, said in attacks:
        offer(fleet, document)
        fleet.until(lambda wanted=said: wanted in fleet.answers(), f"{said} is told")  # type: ignore[misc]
    offer(fleet)
    beats = sum(isinstance(body, Heartbeat) for body in fleet.bodies())
    fleet.until(lambda: sum(isinstance(body, Heartbeat) for body in fleet.bodies()) > beats + 2, "it beats")
    fleet.ran("still seen")
    assert fleet.execs(str(fleet.runner)) == ["still seen"]
    status = json.loads(fleet.agent("status", "--json").stdout)
    assert status["watch"]["policy"]["version"] == 2
    assert any("policy refused: expired" in one for one in status["problems"])
