"""A workload that executes numbered markers, and the account of each: stored, stated as lost, or missing."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

_PROGRAM = "/bin/true"
_BURST = 20
"""Markers that are executed without a pause."""
_PAUSE = 0.05


@dataclass(frozen=True)
class Marker:
    """One execution: its argument, and between which two moments (UTC ns) it happened."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Loss:
    """What a statement says is lost, from and to in UTC ns."""

    cause: str
    begin: int
    end: int

    @property
    def of_processes(self) -> bool:
        """Whether executions may be among what is lost, as they are not where another sensor is named."""
        sensor, colon, _ = self.cause.partition(": ")
        return not colon or sensor in {"process", "watch"}

    def covers(self, marker: Marker) -> bool:
        """Return whether the marker may have happened within this interval."""
        return self.begin <= marker.after and marker.before <= self.end


class Workload:
    """Executes markers until stopped, from a thread; `group` becomes part of the names."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self.group = 0
        self.done: list[Marker] = []
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._wanted.set()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wanted.clear()
        if self._thread is not None:
            self._thread.join()

    def play(self, group: int, seconds: float) -> None:
        """Execute markers of a group for so long."""
        self.group = group
        with self:
            time.sleep(seconds)

    def execute(self) -> Marker:
        """Execute one marker; it has happened on return.

        The spawn alone returns before the kernel tells of the exec, which comes once the program is loaded.
        """
        name = f"vedette-marker-{self.run}-{self.group}-{len(self.done)}"
        before = time.time_ns()
        pid = os.posix_spawn(_PROGRAM, [_PROGRAM, name], {})
        os.waitpid(pid, 0)
        marker = Marker(name, before, time.time_ns())
        self.done.append(marker)
        return marker

    def of(self, group: int) -> list[Marker]:
        """Return the markers of a group."""
        return [one for one in self.done if one.name.split("-")[3] == str(group)]

    def _work(self) -> None:
        while self._wanted.is_set():
            for _ in range(_BURST):
                self.execute()
            time.sleep(_PAUSE)


@dataclass(frozen=True)
class Account:
    """What became of some markers: how many were stored once, how many only stated as lost, and the rest."""

    stored: int
    lost: int
    twice: tuple[str, ...]
    missing: tuple[Marker, ...]

    def __str__(self) -> str:
        return f"{self.stored} stored, {self.lost} stated as lost, {len(self.missing)} missing"

    def check(self) -> None:
        """Fail unless each marker is stored exactly once or inside a signed loss record."""
        assert not self.twice, f"stored more than once: {self.twice[:5]}"
        assert not self.missing, f"neither stored nor stated as lost: {self.missing[:5]}"
        assert self.stored > 0


def account(markers: Iterable[Marker], times: dict[str, int], losses: Iterable[Loss]) -> Account:
    """Judge markers by how often each is stored, and by what was stated as lost."""
    stated = tuple(losses)
    stored, lost = 0, 0
    twice: list[str] = []
    missing: list[Marker] = []
    for marker in markers:
        found = times.get(marker.name, 0)
        stored += found == 1
        if found > 1:
            twice.append(marker.name)
        elif found == 0 and any(loss.covers(marker) for loss in stated):
            lost += 1
        elif found == 0:
            missing.append(marker)
    return Account(stored, lost, tuple(twice), tuple(missing))


def losses_of(rows: Iterable[dict[str, Any]]) -> list[Loss]:
    """Read the losses that batches state; one without an interval would excuse nothing, and is left out."""
    stated = [loss for row in rows for loss in json.loads(row["loss"])]
    return [
        Loss(loss["cause"], loss["from"], loss["to"])
        for loss in stated
        if loss.get("from") is not None and loss.get("to") is not None
    ]


def given_up(dropped: Iterable[dict[str, Any]], absent: Iterable[dict[str, Any]]) -> list[Loss]:
    """Return the times of batches without data, of those which a statement says were given up."""
    said = [gone for row in dropped for gone in json.loads(row["dropped"])]
    return [
        Loss("data given up", row["first_time"], row["last_time"])
        for row in absent
        if any(gone["lane"] == row["lane"] and gone["first"] <= row["seq"] <= gone["last"] for gone in said)
    ]


def seconds(losses: Iterable[Loss]) -> float:
    """Return how long a time the losses cover together."""
    total, until = 0, 0
    for loss in sorted(losses, key=lambda one: one.begin):
        total += max(0, loss.end - max(loss.begin, until))
        until = max(until, loss.end)
    return total / 1e9
