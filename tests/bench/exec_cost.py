"""What the bpf rung of the process sensor costs its reader: JSON rows of name, value and unit on stdout.

The storm runs in processes of its own; the reader's time is its own user and system time alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import select
import time
from pathlib import Path

from agent.feeds.process_bpf import BpfFeed
from agent.sensor import Moment
from evidence.kinds.process import Exec

PROGRAM = "/bin/true"
WORKERS = 2
IDLE_SECONDS = 15


def main() -> None:
    """Measure a storm, then silence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--execs", type=int, default=20_000)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"))
    chosen = parser.parse_args()
    feed = BpfFeed()
    try:
        rows = [*storm(feed, chosen.execs), *silence(feed)]
    finally:
        feed.close()
    chosen.json.write_text(json.dumps(rows) + "\n")


def storm(feed: BpfFeed, execs: int) -> list[dict[str, object]]:
    """Return what it costs to read the records of so many execs and exits at full speed."""
    mark = f"storm-{os.getpid()}"
    share = execs // WORKERS
    workers = [multiprocessing.Process(target=spawn, args=(mark, share)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    found = reads = 0
    begun, spent = time.monotonic(), cpu()
    while any(worker.is_alive() for worker in workers):
        found += read(feed, mark)
        reads += 1
    took = time.monotonic() - begun
    while more := read(feed, mark):
        found += more
    spent = cpu() - spent
    lost = sum(loss.count or 0 for loss in feed.losses(moment()))
    return [
        row("reader_cpu_per_1000_execs", spent / (share * WORKERS) * 1000, "s"),
        row("execs_per_second", share * WORKERS / took, "1/s"),
        row("reads_per_second", reads / took, "1/s"),
        row("execs_not_seen", share * WORKERS - found, "execs"),
        row("records_lost", lost, "records"),
    ]


def silence(feed: BpfFeed) -> list[dict[str, object]]:
    """Return how often the feed is woken, and what it costs, when this program runs nothing."""
    until = time.monotonic() + IDLE_SECONDS
    spent, wakes = cpu(), 0
    while time.monotonic() < until:
        read(feed, "")
        wakes += 1
    return [
        row("idle_wakeups_per_second", wakes / IDLE_SECONDS, "1/s"),
        row("idle_cpu", (cpu() - spent) / IDLE_SECONDS * 100, "% of a core"),
    ]


def read(feed: BpfFeed, mark: str) -> int:
    """Wait and read as watch does; return how many marked execs came."""
    select.select(feed.filenos(), [], [], feed.period)
    return sum(isinstance(one.body, Exec) and mark in one.body.argv for one in feed.read(moment()))


def spawn(mark: str, count: int) -> None:
    """Execute a program count times, one after the other."""
    for number in range(count):
        os.waitpid(os.posix_spawn(PROGRAM, [PROGRAM, mark, str(number)], os.environ), 0)


def cpu() -> float:
    """Return this process's own user and system seconds."""
    times = os.times()
    return times.user + times.system


def moment() -> Moment:
    """Read the clocks."""
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def row(name: str, value: float, unit: str) -> dict[str, object]:
    """Return one row."""
    return {"name": name, "value": round(value, 5), "unit": unit}


if __name__ == "__main__":
    main()
