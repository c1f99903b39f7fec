"""Agent and collector joined by their commands and HTTP alone: enrol, ship, kill, restart, nothing lost."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from collector.ingest.presence import VERB
from collector.lake.decode import Reading
from collector.ledger.reader import LedgerReader
from evidence import host_receipts
from evidence.entry import EntryType
from evidence.host_receipts import HostReceipts
from tests.system.agent_at_work import ROOT, unpinned

DEADLINE = 60.0
QUIET = """
[file]
trees = []
sensitive = []
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(what: str, holds: object) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if callable(holds) and holds():
            return
        time.sleep(0.2)
    raise AssertionError(f"not within {DEADLINE:.0f} s: {what}")


@dataclass
class Pair:
    """One collector and one agent in a folder of their own."""

    folder: Path
    collector: subprocess.Popen[bytes] | None = None
    agent: subprocess.Popen[bytes] | None = None

    def command(self, side: str, *words: str, config: str | None = None) -> subprocess.CompletedProcess[str]:
        file = self.folder / (config or f"{side}.toml")
        line = [sys.executable, "-m", f"{side}.cli", *words, "--config", str(file)]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)

    def start(self, side: str, verb: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", f"{side}.cli", verb, "--config", str(self.folder / f"{side}.toml")]
        with (self.folder / f"{side}.log").open("ab") as log:
            return subprocess.Popen(line, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def start_collector(self) -> None:
        log = self.folder / "collector.log"
        before = log.read_text().count("ready:") if log.exists() else 0
        self.collector = self.start("collector", "serve")
        until("the collector is ready", lambda: log.read_text().count("ready:") > before)

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def flushed(self) -> bool:
        return self.command("agent", "spool", "flush", "--timeout", "20").returncode == 0

    def heads(self) -> dict[str, int]:
        shown = msgspec.json.decode(self.command("agent", "spool", "status", "--json").stdout)
        heads = shown["spool"]["heads"]
        return {lane: heads[lane]["head"]["seq"] if heads else 0 for lane in ("priority", "bulk")}

    def receipts(self) -> HostReceipts:
        (found,) = host_receipts.decode(self.command("agent", "receipts", "export").stdout.encode())
        return found

    def children(self) -> list[int]:
        assert self.agent is not None
        task = Path(f"/proc/{self.agent.pid}/task/{self.agent.pid}/children")
        return [int(pid) for pid in task.read_text().split()]


@pytest.fixture
def pair() -> Iterator[Pair]:
    folder = Path(tempfile.mkdtemp(prefix="vedette-pair-"))
    folder.chmod(0o755)  # ship, as another user, must get through
    ingest, console = free_port(), free_port()
    (folder / "collector.toml").write_text(
        f'state = "{folder}/collector"\n'
        f"[ingest.listen]\nport = {ingest}\n[console.listen]\nport = {console}\n"
    )
    (folder / "agent.toml").write_text(
        f'state = "{folder}/agent"\nruntime = "{folder}/run"\nheartbeat = 2.0\n'
        f'[collector]\ningest = "https://127.0.0.1:{ingest}"\nenrol = "https://127.0.0.1:{console}"\n{QUIET}'
    )
    found = Pair(folder)
    try:
        yield found
    finally:
        with unpinned(folder / "agent"):
            found.stop(found.agent)
        found.stop(found.collector)
        shutil.rmtree(folder, ignore_errors=True)


def enrol(pair: Pair) -> None:
    assert pair.command("collector", "setup").returncode == 0
    pair.start_collector()
    made = pair.command("collector", "token", "create")
    line = re.search(r"vdt1\.\S+", made.stdout)
    assert line is not None, made.stdout + made.stderr
    token = pair.folder / "token"
    token.write_text(line[0])
    enrolled = pair.command("agent", "enroll", "--token-file", str(token))
    assert enrolled.returncode == 0, enrolled.stderr


@pytest.mark.timeout(300)
def test_what_a_host_seals_is_acknowledged_through_kills_and_an_outage(pair: Pair) -> None:
    enrol(pair)
    pair.agent = pair.start("agent", "run")
    until("the first statements are sealed", lambda: pair.heads()["priority"] > 0)
    until("they are acknowledged", pair.flushed)
    for at in (0, -1, 0):
        until("both children run", lambda: len(pair.children()) == 2)
        os.kill(pair.children()[at], signal.SIGKILL)
    until("both run again", lambda: len(pair.children()) == 2)
    pair.stop(pair.collector)
    before = pair.heads()["priority"]
    until("sealing goes on without a collector", lambda: pair.heads()["priority"] > before)
    pair.start_collector()
    until("the outage is caught up with", pair.flushed)
    pair.stop(pair.agent)
    pair.agent = pair.start("agent", "run")
    until("a restarted agent flushes", pair.flushed)
    told = pair.receipts()
    for lane, last in pair.heads().items():
        kept = sorted({one.seq for one in told.receipts if one.lane == lane})
        assert kept[: last - 3] == list(range(1, len(kept[: last - 3]) + 1))
        assert len(kept) >= last - 3
    assert told.host.alarm is None
    assert pair.command("agent", "spool", "verify").returncode == 0


def test_a_token_is_used_once_and_a_revoked_host_is_told(pair: Pair) -> None:
    enrol(pair)
    (pair.folder / "second.toml").write_text(
        (pair.folder / "agent.toml").read_text().replace("/agent", "/second")
    )
    words = ("enroll", "--token-file", str(pair.folder / "token"))
    again = pair.command("agent", *words, config="second.toml")
    assert again.returncode == 2
    assert "refused" in again.stderr
    agent = pair.receipts().host.agent
    revoked = pair.command("collector", "agents", "revoke", agent, "--reason", "test")
    assert revoked.returncode == 0, revoked.stderr
    pair.agent = pair.start("agent", "run")

    def told() -> bool:
        shown = msgspec.json.decode(pair.command("agent", "spool", "status", "--json").stdout)
        return bool(shown["ship"]) and shown["ship"].get("stopped") is True

    until("ship says that it is revoked", told)


def ended(pair: Pair) -> list[str | None]:
    """Return the agents of whose connections the collector recorded that they ended."""
    reader = LedgerReader(pair.folder / "collector" / "ledger")
    acts = [item for item in reader.items(0, 10_000) if item.type is EntryType.ACT]
    reader.close()
    bodies = [event.body for item in acts for part in Reading(item).parts() for event in part]
    return [body.object for body in bodies if body.verb == VERB]


def test_the_end_of_a_killed_agents_connection_is_recorded(pair: Pair) -> None:
    enrol(pair)
    pair.agent = pair.start("agent", "run")
    until("the first statements are sealed", lambda: pair.heads()["priority"] > 0)
    until("they are acknowledged", pair.flushed)
    os.kill(pair.children()[-1], signal.SIGKILL)
    until("both run again", lambda: len(pair.children()) == 2)
    pair.stop(pair.collector)
    pair.start_collector()
    before = pair.heads()["priority"]
    until("a heartbeat is sealed", lambda: pair.heads()["priority"] > before)
    until("it is acknowledged, so there is a connection", pair.flushed)
    assert ended(pair) == []
    os.killpg(pair.agent.pid, signal.SIGKILL)
    pair.agent.wait()
    until("the end of its connection is recorded", lambda: ended(pair))
    assert ended(pair) == [pair.receipts().host.agent]
