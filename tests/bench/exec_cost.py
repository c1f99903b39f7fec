"""What the whole agent costs for 1,000 execs: JSON rows of name, value and unit.

A storm of a small program runs in processes of its own, beside an agent as it is installed: all sensors and
hashing on, every batch acknowledged by a local collector. Counted is the CPU time of supervisor, watch and
ship (proc(5), schedstat) and what the kernel spent in the agent's eBPF programs, until all is acknowledged;
divided by all the execs that the collector got, since what else runs on the host costs too. What the agent
costs without the storm is told apart and not taken off.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from evidence import seal
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.process import Exec
from tests.agent.fake_collector import FakeCollector, running
from tests.bench import program
from tests.bench.agent_idle import configure
from tests.bench.proc_figures import comm, cpu_ns, entries, pss, told
from tests.bench.program import Running
from tests.system.agent_at_work import unpinned

PROGRAM = "/bin/true"
WORKERS = 2
STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")
_RUN_TIME = re.compile(r"prog_id:\s*(\d+)\n(?:.*\n)*?run_time_ns:\s*(\d+)")
_SETTLE = 4.0
"""Seconds in which what the storm left is sealed, shipped, acknowledged and forgotten."""
_AT_REST = 0.005
"""Of a core: an agent that uses less for that long has done what a start takes, its first scan too."""


def main() -> int:
    """Start an agent, run the storm, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--execs", type=int, default=20_000)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"))
    parser.add_argument("--warm", type=float, default=120.0, help="seconds until the storm at most")
    parser.add_argument("--profile", type=Path, metavar="PY-SPY", help="profile with it")
    program.add_option(parser)
    chosen = parser.parse_args()
    before = STATISTICS.read_text()
    STATISTICS.write_text("1")
    with (
        program.chosen(chosen.package) as measured,
        tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder,
        unpinned(Path(folder) / "state"),
        running(FakeCollector(), Path(folder)) as collector,
    ):
        os.chmod(folder, 0o711)  # noqa: S103, PTH101 - ship, another user, passes through
        config = configure(Path(folder), collector.ingest, collector.enrol, blind=False)
        measured.enrol(config, collector.token.line())
        agent = measured.start(config)
        try:
            rest(lambda: sum(cost(agent.pids()).values()), chosen.warm)
            rows = measure(agent, chosen, collector)
        finally:
            agent.stop()
            STATISTICS.write_text(before)
    chosen.json.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return 0


def measure(agent: Running, options: argparse.Namespace, collector: FakeCollector) -> list[dict[str, object]]:
    """Return the cost of a storm, after that of the same time without one."""
    pids = agent.pids()
    quiet = cost(pids)
    time.sleep(_SETTLE)
    idle = sum(cost(pids).values()) - sum(quiet.values())
    spy = None if options.profile is None else profiler(options.profile, pids)
    began, at = time.time_ns(), cost(pids)
    storm(options.execs)
    took = (time.time_ns() - began) / 1e9
    peak = sum(map(pss, pids))
    time.sleep(_SETTLE)
    ended, now = time.time_ns(), cost(pids)
    for one in spy or ():
        one.send_signal(signal.SIGINT)
        one.wait()
    events, sent = arrived(collector, began, ended)
    execs = [event for event in events if isinstance(event.body, Exec)]
    stormed = sum(
        event.body.argv[:2] == (PROGRAM, "storm") for event in execs if isinstance(event.body, Exec)
    )
    rows = [row(f"{name}_cpu_s_per_1k", (now[name] - at[name]) / len(execs) / 1e6, "s") for name in now]
    spent = sum(now.values()) - sum(at.values())
    return [
        row("cpu_s_per_1k", spent / len(execs) / 1e6, "s"),
        *rows,
        row("idle_cpu_percent", idle / _SETTLE / 1e7, "% of a core"),
        row("execs_per_second", options.execs / took, "1/s"),
        row("execs_of_the_storm_missing", options.execs - stormed, "execs"),
        row("execs_beside_the_storm", len(execs) - stormed, "execs"),
        row("bytes_per_event", sent / max(len(events), 1), "B"),
        row("pss_mb", peak / 1024, "MB"),
    ]


def rest(spent: Callable[[], float], longest: float) -> None:
    """Wait until a started agent is at rest, at most so many seconds; spent returns its CPU so far (ns)."""
    latest = time.monotonic() + longest
    time.sleep(_SETTLE)
    now = spent()
    while time.monotonic() < latest:
        time.sleep(_SETTLE)
        before, now = now, spent()
        if now - before < _AT_REST * _SETTLE * 1e9:
            return


def profiler(program: Path, pids: list[int]) -> list[subprocess.Popen[bytes]]:
    """Start py-spy on each of pids; a raw profile goes to profile.NAME of the working directory."""
    options = ["record", "-n", "-f", "raw", "-r", "400"]
    started = [
        subprocess.Popen(
            [program, *options, "-o", f"profile.{comm(pid)}", "-p", str(pid)], stdout=subprocess.DEVNULL
        )
        for pid in pids
    ]
    time.sleep(2)
    return started


def arrived(collector: FakeCollector, began: int, ended: int) -> tuple[list[Event[Body]], int]:
    """Return the events between two times (UTC ns) that were acknowledged, and the bytes of their batches."""
    found: list[Event[Body]] = []
    size = 0
    for envelope, data in list(collector.batches.values()):
        _, decoded = seal.unseal(envelope, data, bytes.fromhex(collector.enrolled[-1].public))
        events = [
            event for event in decoded.events if isinstance(event, Event) and began <= event.time <= ended
        ]
        found += events
        size += (len(envelope) + len(data)) * len(events) // max(len(decoded.events), 1)
    return found, size


def storm(execs: int) -> None:
    """Execute a small program so many times at full speed."""
    share = execs // WORKERS
    workers = [multiprocessing.Process(target=spawn, args=(share,)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def spawn(count: int) -> None:
    """Execute the program count times, one after the other."""
    for number in range(count):
        os.waitpid(os.posix_spawn(PROGRAM, [PROGRAM, "storm", str(number)], os.environ), 0)


def cost(pids: list[int]) -> dict[str, float]:
    """Return the nanoseconds so far of each process by name, and of the eBPF programs they hold."""
    spent: dict[str, float] = {}
    programs: dict[str, int] = {}
    for pid in pids:
        name = comm(pid)
        spent[name] = spent.get(name, 0.0) + cpu_ns(pid)
        for entry in entries(Path(f"/proc/{pid}/fdinfo")):
            found = _RUN_TIME.search(told(entry))
            if found:
                programs[found[1]] = int(found[2])
    return {**spent, "bpf": float(sum(programs.values()))}


def row(name: str, value: float, unit: str) -> dict[str, object]:
    """Return one row."""
    return {"name": name, "value": round(value, 5), "unit": unit}


if __name__ == "__main__":
    sys.exit(main())
