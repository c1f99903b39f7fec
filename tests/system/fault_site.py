"""A site whose parts can be killed, starved and cut off, and the audit of what it kept afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from range.site import CommandFailed, Site, Watched, stop, write_agent, write_collector
from tests.system.markers import Loss, Workload, given_up, losses_of

PATIENCE = 90.0
"""Seconds after which a thing that was waited for is taken not to come."""
_AT_ONCE = 20_000
"""Markers that are asked for in one query."""
_QUIET = """
[login]
rung = "wait"
[file]
trees = []
sensitive = []
"""
_HOLES = """
SELECT lane, count(*) AS rows, count(DISTINCT seq) AS statements, min(seq) AS first, max(seq) AS last
FROM batches WHERE agent = '{agent}' GROUP BY lane ORDER BY lane
"""
_STORED = "SELECT seq FROM events WHERE kind = 'process.exec' AND argv[2] = '{name}'"
_TIMES = """
SELECT argv[2] AS name, count(*) AS times FROM events
WHERE kind = 'process.exec' AND argv[2] LIKE 'vedette-marker-{run}-%'
AND CAST(split_part(argv[2], '-', 5) AS BIGINT) BETWEEN {first} AND {last} GROUP BY ALL
"""
_LOSSES = "SELECT loss FROM batches WHERE agent = '{agent}' AND loss IS NOT NULL"
_DROPPED = "SELECT dropped FROM batches WHERE agent = '{agent}' AND dropped IS NOT NULL"
_ABSENT = """
SELECT lane, seq, first_time, last_time FROM batches
WHERE agent = '{agent}' AND state = 'absent' AND events > 0
"""
_ONE_ROW = "SELECT * FROM {table} LIMIT 1"
_DIGEST = """
SELECT count(*) AS rows, sum(hash(t))::VARCHAR AS digest, {columns}
FROM {table} AS t WHERE ledger_index < {below}
"""
_LAST = "SELECT max(ledger_index) AS last FROM batches WHERE agent = '{agent}'"
_TWICE = "SELECT agent, epoch, seq FROM events GROUP BY ALL HAVING count(*) > 1 LIMIT 5"


def until(what: str, holds: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait until holds() is true and return what it gave."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {patience:.0f} s: {what}")


class FaultSite:
    """A collector and an agent of this host, started by their commands, each stopped and killed at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = Site(folder)
        self.began = time.time_ns()
        self.agent_id = ""
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def set_up(self, agent: str = "", collector: str = "") -> None:
        """Make keys, enrol, log in, and start both; agent and collector are further settings (TOML)."""
        site = self.site
        for name, text in (("agent", _QUIET + agent), ("collector", collector)):
            (self.folder / f"{name}.d").mkdir()
            (self.folder / f"{name}.d" / "faults.toml").write_text(text)
        (self.folder / "host").mkdir()
        write_collector(site, (), {"ingest": 0, "console": 0})
        password = self.folder / "password"
        password.write_text(secrets.token_urlsafe(12) + "\n")
        site.collector("setup", "--admin", "analyst", "--password-file", str(password))
        self.start_collector()
        write_collector(site, (), site.ports)
        write_agent(site, Watched(self.folder / "host", self.folder / "host", ()))
        token = json.loads(site.collector("token", "create", "--json"))["token"]
        site.agent("enroll", stdin=token + "\n")
        url, ca = f"https://127.0.0.1:{site.ports['console']}", str(self.folder / "collector/ca/ca.pem")
        site.vedette("login", "--url", url, "--user", "analyst", "--ca", ca, "--password-file", str(password))
        self.start_agent()
        self.agent_id = site.status()["watch"]["agent"]

    def start_collector(self) -> None:
        """Start the collector and wait until it serves."""
        self._start("collector", "serve")
        found = until("the collector serves", lambda: self._running("collector") and self._listeners())
        self.site.ports = {name: at["port"] for name, at in found.items()}

    def start_agent(self) -> None:
        """Start the agent and wait until its sensors see and a batch was acknowledged."""
        self._start("agent", "run")
        until("the agent ships", lambda: self._running("agent") and self._ships())

    def stop(self, side: str) -> None:
        """End a side as an operator does."""
        process = self._processes.pop(side, None)
        if process is not None:
            stop(process)

    def crash_collector(self) -> None:
        """Kill all of the collector at once."""
        for pid in self.pids("collector").values():
            self.kill(pid)
        self._processes.pop("collector").wait(PATIENCE)

    def close(self) -> None:
        """End what runs."""
        for side in tuple(self._processes):
            self.stop(side)
        self.site.unpin()

    @staticmethod
    def kill(pid: int, number: int = signal.SIGKILL) -> None:
        """Signal a process of this site."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def pids(self, side: str) -> dict[str, int]:
        """Return the processes of a side by name; of the collector's once all serve."""
        if side == "collector":
            try:
                told = json.loads((self.folder / "collector/run/processes.json").read_bytes())
            except (OSError, json.JSONDecodeError):
                return {}
            return dict(told["processes"]) if told["ready"] else {}
        parent = self._processes["agent"].pid
        found = {}
        for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with contextlib.suppress(OSError):
                found[Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("vedette-")] = int(pid)
        return found

    def seeing(self, pid: int) -> bool:
        """Return whether watch, as process pid, has all sensors open."""
        try:
            return bool(json.loads((self.folder / "agent-run/status.json").read_bytes())["pid"] == pid)
        except (OSError, json.JSONDecodeError, KeyError):
            return False

    def status(self) -> dict[str, Any]:
        """Return what `vedette-agent status` says."""
        return self.site.status()

    def sql(self, text: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        return [json.loads(line) for line in self.site.vedette("sql", "--json", text).splitlines()]

    def settle(self, workload: Workload) -> None:
        """Wait until all that was done so far is acknowledged and in the store."""
        last = workload.execute()
        until("a last marker is stored", lambda: self.sql(_STORED.format(name=last.name)))
        until("everything is acknowledged", self._flushed)
        told = json.loads(self.site.agent("spool", "status", "--json", accept=(0, 1)))["spool"]["heads"]
        heads = {lane: told[lane]["head"]["seq"] for lane in ("priority", "bulk")}
        until("every statement is in the store", lambda: self._stored(heads))

    def times(self, workload: Workload) -> dict[str, int]:
        """Return how often each marker is stored."""
        found: dict[str, int] = {}
        for first in range(0, len(workload.done), _AT_ONCE):
            asked = _TIMES.format(run=workload.run, first=first, last=first + _AT_ONCE - 1)
            found |= {row["name"]: row["times"] for row in self.sql(asked)}
        return found

    def losses(self) -> list[Loss]:
        """Return every loss the agent signed, and the times of batches whose data it said was given up."""
        name = self.agent_id
        lost = losses_of(self.sql(_LOSSES.format(agent=name)))
        return lost + given_up(self.sql(_DROPPED.format(agent=name)), self.sql(_ABSENT.format(agent=name)))

    def digest(self, table: str, below: int) -> dict[str, Any]:
        """Return the number of rows from ledger entries before `below`, and digests of rows and columns."""
        names = self.sql(_ONE_ROW.format(table=table))[0]
        columns = ", ".join(f'sum(hash("{name}"))::VARCHAR AS "{name}"' for name in names)
        return self.sql(_DIGEST.format(columns=columns, table=table, below=below))[0]

    def last_entry(self) -> int:
        """Return the ledger index of the agent's last batch in the store."""
        return int(self.sql(_LAST.format(agent=self.agent_id))[0]["last"])

    def size(self) -> int:
        """Return how many entries the store has."""
        return int(self.sql("SELECT max(ledger_index) + 1 AS size FROM batches")[0]["size"])

    def audit(self) -> None:
        """Check the whole run: fsck, no duplicates, chains without holes, and a bundle against receipts."""
        report = json.loads(self.site.collector("fsck", "--json", accept=(0, 1)))
        assert report["sound"], report["problems"][:5]
        assert not [chain for chain in report["chains"] if chain["holes"] or chain["forked"]]
        assert self.sql(_TWICE) == []
        for lane in self.sql(_HOLES.format(agent=self.agent_id)):
            assert lane["first"] == 1, lane
            assert lane["rows"] == lane["statements"] == lane["last"], lane
        assert self.site.agent("spool", "verify") is not None
        assert self.verified() == "verified"

    def verified(self) -> str:
        """Return what an auditor finds in a bundle of the whole run, with the host's receipts."""
        bundle, receipts = self.folder / "run.bundle", self.folder / "receipts"
        begin, end = _iso(self.began), _iso(time.time_ns())
        interval = ("--from", begin, "--to", end)
        self.site.vedette("export", "--format", "bundle", *interval, "--out", str(bundle))
        until("everything is acknowledged", self._flushed)
        self.site.agent("receipts", "export", "--out", str(receipts))
        words = ("verify", str(bundle), "--trust", str(receipts), "--json")
        said = json.loads(self.site.vedette(*words, accept=(0, 1)))
        if said["status"] != "verified":
            return f"{said['status']}: {said['problems'][:5]} {said['missing'][:5]}"
        return "verified"

    def _start(self, side: str, verb: str) -> None:
        if side == "collector":
            (self.folder / "collector/run/listeners.json").unlink(missing_ok=True)
        self._processes[side] = self.site.start(f"vedette-{side}", verb)

    def _running(self, side: str) -> bool:
        """Return True while a side runs; fail with its last words if it ended."""
        if self._processes[side].poll() is None:
            return True
        log = (self.folder / f"vedette-{side}.log").read_text()[-3000:]
        raise AssertionError(f"the {side} ended: {log}")

    def _listeners(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "collector/run/listeners.json").read_bytes())
        except (OSError, json.JSONDecodeError):
            return {}
        return found

    def _ships(self) -> bool:
        watch = self.status().get("watch") or {}
        return bool(watch.get("sensors")) and watch.get("last_receipt") is not None

    def _flushed(self) -> bool:
        try:
            self.site.agent("spool", "flush", "--timeout", "20")
        except CommandFailed:
            return False
        return True

    def _stored(self, heads: dict[str, int]) -> bool:
        found = {row["lane"]: row for row in self.sql(_HOLES.format(agent=self.agent_id))}
        return all(found[lane]["last"] >= last for lane, last in heads.items() if last)


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat().replace("+00:00", "Z")


@contextlib.contextmanager
def fault_site() -> Iterator[FaultSite]:
    """Give an empty site, in a folder that ship, as another user, can get through to."""
    if os.geteuid() != 0:
        pytest.skip("each marker is only seen on the bpf rung, which needs root")
    folder = Path(tempfile.mkdtemp(prefix="vedette-faults-"))
    folder.chmod(0o711)
    site = FaultSite(folder)
    try:
        yield site
    finally:
        site.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of its own at path; skip where that is not permitted."""
    path.mkdir(mode=0o711)
    line = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path, leave: int = 0) -> None:
    """Write a file until only `leave` bytes are free."""
    folder = os.statvfs(path.parent)
    room = folder.f_bavail * folder.f_frsize - leave
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while room > 0:
            room -= file.write(bytes(min(room, 1 << 16)))
