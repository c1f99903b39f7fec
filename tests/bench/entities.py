"""What the engine remembers of active sessions: rows {"name", "value", "unit"} of this process's memory.

As many sessions on 2,000 hosts (50 on each) are opened, and each executes a program, reads a file and sends
bytes to a place that the operator does not know. In most of them nothing of that is a sign; in one of so many
a person packs, reads what is another's and sends megabytes, and is found by rules. Measured is a process that
has the pipeline's modules loaded, before and after, and the most it had while it made the state to be stored;
then another one that loads that state, as after a restart.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from collector.analysis import Analysis
from collector.record import Origin
from evidence.event import Event, stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.file import Read
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec
from tests.bench.rules import engine

PER_HOST = 50
_BEGIN = 1_790_000_000_000_000_000
_SECOND = 1_000_000_000
_MB = 1_000_000
_RESTARTED = """
import sys
import collector.pipeline
from tests.bench import entities
analysis = entities.engine()
analysis.load(sys.stdin.buffer.read())
print(entities.memory())
"""


def sessions(count: int, one_of: int) -> Iterator[tuple[Origin, list[Event[Body]]]]:
    """Yield a batch for each host: what its sessions do; one of so many is somebody to look at."""
    for host in range(count // PER_HOST):
        now = _BEGIN + host * _SECOND
        name = f"{host:032x}"
        origin = Origin(name, 1, f"6e1b5d3a-7f52-4a43-8a6e-{host:012x}", f"web{host}", host, now + _SECOND)
        bodies = [body for number in range(PER_HOST) for body in _session(host, number, one_of)]
        yield origin, [stamp(one, seq=at, time=now + at, mono=at) for at, one in enumerate(bodies, start=1)]


def _session(host: int, number: int, one_of: int) -> tuple[Body, ...]:
    at = host * PER_HOST + number
    is_found = at % one_of == 0
    auid = 1000 + at % 20_000
    exe = "/usr/bin/tar" if is_found else "/usr/bin/vim"
    pid = 1000 + number

    def actor(exe: str) -> Actor:
        return Actor(pid=pid, start=at, exe=exe, cmd_line=f"{exe} {at}", uid=auid, auid=auid, session=number)

    return (
        SessionOpen(program="sshd", user=f"user{auid}", auid=auid, session=number, pid=pid - 1),
        Exec(pid=pid, exe=exe, argv=(exe, f"/srv/{at}"), uid=auid, auid=auid, session=number),
        Read(
            path="/etc/shadow",
            tree="/etc/shadow",
            owner=0,
            actor=actor("/usr/bin/cat" if is_found else "/usr/bin/sudo"),
        ),
        Close(
            flow=at,
            protocol="tcp",
            direction="out",
            local=Endpoint(ip="10.0.3.17", port=40_000 + number),
            remote=Endpoint(ip=f"198.51.{at % 251}.{at % 241}", port=443),
            bytes_out=20_000_000 if is_found else 2_000,
            bytes_in=1_000,
            duration=_SECOND,
            actor=actor("/usr/bin/curl"),
        ),
    )


def memory() -> float:
    """Return this process's resident memory in MB, without what its allocator holds for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return _resident()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / _MB


def dumped(analysis: Analysis) -> tuple[bytes, float, float]:
    """Return the state, the most memory while it was made, and its seconds."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    began = time.monotonic()
    state = analysis.dump()
    took = time.monotonic() - began
    peak = re.search(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text())
    assert peak is not None
    return state, int(peak[1]) * 1024 / _MB, took


def restarted(state: bytes) -> float:
    """Return the resident memory in MB of a new process with the pipeline's modules that loaded a state."""
    done = subprocess.run([sys.executable, "-c", _RESTARTED], input=state, capture_output=True, check=True)
    return float(done.stdout)


def rows(count: int, one_of: int) -> list[dict[str, object]]:
    """Measure and return the rows."""
    importlib.import_module("collector.pipeline.pipeline")  # what a process has loaded is memory of it
    analysis = engine()
    before, alerts, events = memory(), 0, 0
    for origin, seen in sessions(count, one_of):
        alerts += len(analysis.step(origin, seen, origin.received)[1])
        alerts += len(analysis.tick(origin.received))
        analysis.sessions()
        events += len(seen)
    after = memory()
    state, most, took = dumped(analysis)
    found: list[tuple[str, float, str]] = [
        ("entities", count, "sessions"),
        ("entities_events", events, "events"),
        ("entities_alerts", alerts, "alerts"),
        ("entities_before_mb", before, "MB"),
        ("entities_rss_mb", after, "MB"),
        ("entities_bytes_each", (after - before) * _MB / count, "bytes"),
        ("entities_dump_mb", len(state) / _MB, "MB"),
        ("entities_dump_peak_mb", most, "MB"),
        ("entities_dump_s", took, "s"),
        ("entities_restarted_rss_mb", restarted(state), "MB"),
    ]
    return [{"name": name, "value": round(value, 1), "unit": unit} for name, value, unit in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="sessions, at least 50")
    parser.add_argument("--one-of", type=int, default=20, help="of so many sessions one is found by rules")
    options = parser.parse_args()
    found = rows(options.count, options.one_of)
    sys.stdout.write("".join(json.dumps(row) + "\n" for row in found))


if __name__ == "__main__":
    main()
