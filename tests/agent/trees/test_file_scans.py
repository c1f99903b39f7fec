"""How a scan holds back: at the host's pressure, at its rates, and after an overflow that repeats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.kernel.pressure import Pressure
from agent.sensor import Moment
from agent.settings import File
from agent.trees.file_scans import Job, Scans
from agent.trees.tree_scan import Step

MS = 1_000_000


class Clock:
    """Goes on by a millisecond each time it is read."""

    def __init__(self) -> None:
        self.mono = 0

    def __call__(self) -> Moment:
        self.mono += MS
        return Moment(0, self.mono)


def pressed(folder: Path, percent: float) -> Pressure:
    (folder / "cpu").write_text(f"some avg10={percent:.2f} avg60=0.00 avg300=0.00 total=1\n")
    return Pressure(50, folder)


def steps(count: int, files: int = 1, size: int = 0) -> Job:
    yield from (Step(files, size) for _ in range(count))


def slices(scans: Scans, clock: Clock, job: Job, seconds: float) -> int:
    """Return how many steps of job were done within seconds."""
    done = 0

    def counted(_: bytes) -> Iterator[Step]:
        nonlocal done
        for step in job:
            done += 1
            yield step  # type: ignore[misc]

    scans.want(b"/tree")
    until = clock.mono + int(seconds * 1000) * MS
    while clock.mono < until:
        scans.run(clock(), counted, [])  # type: ignore[arg-type]
    return done


def test_a_scan_creeps_while_others_wait(tmp_path: Path) -> None:
    free, held = Clock(), Clock()
    settings = File(scan_files_per_s=1_000_000)
    fast = slices(Scans(settings, free, pressed(tmp_path, 10)), free, steps(10**6), 5)
    slow = slices(Scans(settings, held, pressed(tmp_path, 90)), held, steps(10**6), 5)
    assert 0 < slow <= fast / 5


def test_a_scan_keeps_to_its_rates(tmp_path: Path) -> None:
    clock = Clock()
    settings = File(scan_files_per_s=10, scan_cpu_share=1.0)
    assert slices(Scans(settings, clock, pressed(tmp_path, 0)), clock, steps(1000), 10) <= 10 * 11
    other = Clock()
    settings = File(scan_bytes_per_s=1000, scan_cpu_share=1.0)
    assert slices(Scans(settings, other, pressed(tmp_path, 0)), other, steps(1000, 1, 500), 10) <= 24


def test_a_tree_rests_after_its_scan_for_as_long_as_that_took(tmp_path: Path) -> None:
    clock = Clock()
    scans = Scans(File(scan_cpu_share=1.0), clock, pressed(tmp_path, 0))
    took = slices(scans, clock, steps(100), 2)
    assert took == 100
    scans.want(b"/tree")
    began = [clock.mono]
    scans.want(b"/tree")
    again: list[int] = []

    def second(_: bytes) -> Job:
        again.append(clock.mono)
        return steps(1)

    while scans.pause(clock.mono) is not None:
        scans.run(clock(), second, [])
    assert len(again) == 1
    assert again[0] >= began[0]
    assert scans.pause(clock.mono) is None


def test_without_pressure_files_the_load_is_asked(tmp_path: Path) -> None:
    assert Pressure(100, tmp_path).high(0) is False
