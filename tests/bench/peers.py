"""The agent beside its peers on the same work: rows of peer, workload, slowdown, CPU, memory, bytes and loss.

Paired: a sensor is started and stopped again and again, and each time a workload is compared with itself
without anything shortly before and shortly after, by the wall clock; the median of the ratios counts. A
second run, with the kernel's statistics of eBPF programs on, gives the cost: cpu_s_per_1k is for 1,000
operations, everything that works on the sensor's behalf included (its eBPF programs, the kernel's audit
thread), until it has come to rest. Needs root; installs the peers by apt.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.agent.fake_collector import FakeCollector, running
from tests.bench import program
from tests.bench.exec_cost import STATISTICS
from tests.bench.program import Program
from tests.bench.sensors import Auditd, Execsnoop, Laurel, Sensor, Vedette

COUNTS = {"exec": 20_000, "connect": 30_000, "file": 25_000}
"""As many execs as the budget is stated for; a run of half a second measures where its threads are."""
_PACKAGES = {
    "auditd": "auditd", "laurel": "laurel", "execsnoop": "libbpf-tools", "gcc": "gcc"
}  # fmt: skip
_REST = 4.0
"""Seconds after a workload in which a sensor finishes with it."""


@dataclass
class Measured:
    """What the repetitions of one workload under one sensor gave."""

    alone: list[float] = field(default_factory=list)
    """Seconds without a sensor: before the first repetition, and after each."""
    under: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wrote: list[float] = field(default_factory=list)
    peak: float = 0.0
    """MB of PSS, the most that was there right after a run of it."""
    lost: int = 0

    def slowdown(self) -> float:
        """Return the median, of all repetitions, of the time to the mean of those before and after."""
        return statistics.median(
            2 * under / (before + after)
            for under, before, after in zip(self.under, self.alone, self.alone[1:], strict=False)
        )


def main() -> int:
    """Measure, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"), metavar="FILE")
    parser.add_argument("--repetitions", type=int, default=4)
    parser.add_argument("--baseline", type=int, default=100_000, help="files in the agent's watched tree")
    parser.add_argument("--only", help="one peer")
    program.add_option(parser)
    options = parser.parse_args()
    _install()
    with (
        program.chosen(options.package) as measured,
        tempfile.TemporaryDirectory(prefix="vedette-peers-", dir="/var/tmp") as name,
        running(FakeCollector(), Path(name)) as collector,
    ):
        Path(name).chmod(0o711)
        rows = list(_rows(Path(name), collector, measured, options))
    options.json.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return 0


def _install() -> None:
    missing = [
        package
        for program, package in _PACKAGES.items()
        if shutil.which(program, path="/usr/bin:/usr/sbin:/sbin") is None
    ]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-q", *missing], check=True, stdout=subprocess.DEVNULL)


def _rows(
    folder: Path, collector: FakeCollector, measured: Program, options: argparse.Namespace
) -> Sequence[dict[str, object]]:
    storm, watched, baseline = build(folder), folder / "watched", folder / "baseline"
    watched.mkdir()
    fill(baseline, options.baseline)
    rows: list[dict[str, object]] = []
    for kind in (Vedette, Auditd, Laurel, Execsnoop):
        if options.only not in (None, kind.name):
            continue
        own = folder / kind.name
        own.mkdir()
        sensor = (
            Vedette(own, watched, collector, baseline, measured) if kind is Vedette else kind(own, watched)  # type: ignore[call-arg]
        )
        rows += _compare(sensor, storm, options.repetitions)
    return rows


def build(folder: Path) -> Path:
    """Return the program of the workloads, compiled in folder."""
    storm = folder / "storm"
    subprocess.run(["gcc", "-O2", "-pthread", Path(__file__).with_name("storm.c"), "-o", storm], check=True)
    return storm


def fill(folder: Path, count: int) -> None:
    """Make count small files, a thousand in each folder."""
    for number in range(count):
        file = folder / f"{number // 1000:03d}" / f"{number % 1000:03d}"
        if number % 1000 == 0:
            file.parent.mkdir(parents=True)
        file.write_text(f"{number}\n")


def _compare(sensor: Sensor, storm: Path, repetitions: int) -> list[dict[str, object]]:
    measured = {workload: Measured() for workload in sensor.workloads}
    _alone(sensor, storm, measured)
    for _ in range(repetitions):
        sensor.start()
        try:
            for workload, found in measured.items():
                _under(sensor, storm, workload, found)
        finally:
            sensor.stop()
        _alone(sensor, storm, measured)
    return [_row(sensor, workload, found) for workload, found in measured.items()]


def _alone(sensor: Sensor, storm: Path, measured: dict[str, Measured]) -> None:
    for workload, found in measured.items():
        found.alone.append(run(storm, workload, sensor.watched))


def _under(sensor: Sensor, storm: Path, workload: str, found: Measured) -> None:
    """Run a workload twice under a sensor, for its time and for its cost."""
    count = COUNTS[workload]
    found.under.append(run(storm, workload, sensor.watched))
    time.sleep(_REST)
    with _counted():
        before, bytes_before, began = sensor.spent(), sensor.wrote(0, 0), time.time_ns()
        run(storm, workload, sensor.watched)
        ended = time.time_ns()
        found.peak = max(found.peak, sensor.memory())
        time.sleep(_REST)
        found.cpu.append((sensor.spent() - before) / 1e9 / count * 1000)
    found.wrote.append((sensor.wrote(began, ended) - bytes_before) / count)
    found.lost += sensor.lost(workload, count, began, ended)


@contextlib.contextmanager
def _counted() -> Iterator[None]:
    """Let the kernel count what its programs cost, which is not free itself."""
    was = STATISTICS.read_text()
    STATISTICS.write_text("1")
    try:
        yield
    finally:
        STATISTICS.write_text(was)


def run(storm: Path, workload: str, folder: Path) -> float:
    """Return the seconds one run of a workload takes."""
    command = [str(storm), workload, str(COUNTS[workload]), str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _row(sensor: Sensor, workload: str, found: Measured) -> dict[str, object]:
    return {
        "peer": sensor.name,
        "workload": workload,
        "slowdown": round(found.slowdown(), 3),
        "cpu_s_per_1k": round(statistics.median(found.cpu), 4),
        "pss_mb": round(found.peak, 1),
        "bytes_per_event": round(statistics.median(found.wrote), 1),
        "lost": found.lost,
        "prints_only": sensor.prints_only,
    }


if __name__ == "__main__":
    sys.exit(main())
