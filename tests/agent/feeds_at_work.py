"""Open the real rungs, drive them as watch does, and collect what they see."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.kernel.procfs import read_process
from agent.processes import ProcessTable
from agent.sensor import Context, Feed, Moment, Observed, Rung, Sensor
from agent.settings import Settings
from evidence.kind import Body


def moment() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def context(state: Path) -> Context:
    settings = Settings()
    return Context(settings, state, ProcessTable(settings.process.table, read_process), moment)


def wait(feed: Feed) -> None:
    period = 0.2 if feed.period is None else min(feed.period, 0.2)
    select.select(feed.filenos(), [], [], period)


def rung_of(sensor: Sensor, name: str) -> Rung:
    return next(rung for rung in sensor.rungs if rung.name == name)


@contextlib.contextmanager
def opened(rung: Rung, state: Path) -> Iterator[Watched]:
    """Open a rung; skip the test where the machine lacks what it needs."""
    around = context(state)
    try:
        feed = rung.open(around)
    except RungUnavailable as refused:
        pytest.skip(f"{rung.name}: {refused.reason} ({refused.fix})")
    try:
        yield Watched(feed, around)
    finally:
        feed.close()


class Watched:
    """A feed and all it has shown, the process table taught as watch does."""

    def __init__(self, feed: Feed, around: Context) -> None:
        self.feed = feed
        self._table = around.processes
        self.seen: list[Observed] = []

    def read(self) -> list[Observed]:
        came = list(self.feed.read(moment()))
        for one in came:
            if isinstance(self._table, ProcessTable):
                self._table.observe(one.body, one.mono or 0)
        self.seen += came
        return came

    def until(self, accept: Callable[[Body], bool], seconds: float = 60.0) -> Body:
        """Return the first body that is accepted, among what was seen or comes."""
        deadline = time.monotonic() + seconds
        for one in self.seen:
            if accept(one.body):
                return one.body
        while time.monotonic() < deadline:
            wait(self.feed)
            for one in self.read():
                if accept(one.body):
                    return one.body
        pytest.fail(f"not seen among {len(self.seen)} bodies")


@contextlib.contextmanager
def on_cpu(number: int) -> Iterator[None]:
    """Keep this process, and what it starts, on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(program: str, *arguments: str | bytes) -> int:
    """Run a program to its end and return its pid."""
    pid = os.posix_spawn(program, [program, *arguments], {})
    os.waitpid(pid, 0)
    return pid
