"""Which trees wait to be scanned, and the scan that runs: one at a time, held back for the host.

A scan keeps to files and bytes a second and to a share of a core, reads in the idle I/O class, and creeps
while others wait for CPU or disk: a tenth of its pace. It never stops, or a host that is always busy would
never be checked (R27). A tree is left alone after its scan for as long as that took, so that an overflow
which repeats does not keep the scan going without end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator

from ..kernel.io_priority import IdleIo
from ..kernel.pressure import Pressure
from ..sensor import Moment, Observed
from ..settings import File
from ..token_bucket import TokenBucket
from .tree_scan import Step

Job = Generator[Step | Observed, None, None]

EVENTS = 2_000
"""Events of one slice, at most."""

_SLICE = 20_000_000
"""Nanoseconds of work at once: each slice costs a turn of the loop and begins with cold caches."""

_CREEP = 1_000_000_000
"""Nanoseconds from one slice to the next while others wait."""


class Scans:
    """Trees wanted, and the job at work; scan makes the job of a tree."""

    def __init__(self, settings: File, clock: Callable[[], Moment], pressure: Pressure) -> None:
        self._files = TokenBucket(settings.scan_files_per_s)
        self._bytes = TokenBucket(settings.scan_bytes_per_s)
        self._rest = int(_SLICE / settings.scan_cpu_share) if settings.scan_cpu_share < 1 else 0
        self._clock = clock
        self._pressure = pressure
        self._idle = IdleIo()
        self._wanted: deque[bytes] = deque()
        self._after: dict[bytes, int] = {}
        self._job: Job | None = None
        self._root: bytes | None = None
        self._began = self._next = 0

    def want(self, root: bytes) -> None:
        """Scan root when its turn comes; once, however often it is wanted until then."""
        if root not in self._wanted:
            self._wanted.append(root)

    def first(self, job: Job) -> None:
        """Do job before any scan."""
        self._job = job

    def clear(self) -> None:
        """Forget all scans."""
        self._wanted.clear()
        self._job = self._root = None
        self._after.clear()

    def pause(self, mono: int) -> float | None:
        """Return the seconds until there is something to do; None when there is nothing."""
        if self._job is None and not self._wanted:
            return None
        due = self._next
        if self._job is None:
            due = max(due, min(self._after.get(root, 0) for root in self._wanted))
        return max(0, due - mono) / 1e9

    def run(self, now: Moment, scan: Callable[[bytes], Job], events: list[Observed]) -> None:
        """Do a slice of the scan that is due, if one is."""
        if now.mono < self._next or not self._choose(now.mono, scan):
            return
        with self._idle:
            self._advance(self._clock().mono + _SLICE, events)
        self._next = now.mono + (_CREEP if self._pressure.high(now.mono) else self._rest)

    def _choose(self, mono: int, scan: Callable[[bytes], Job]) -> bool:
        """Begin the first wanted scan that may begin; return whether there is something to do."""
        if self._job is None:
            ready = (root for root in self._wanted if mono >= self._after.get(root, 0))
            self._root = next(ready, None)
            if self._root is not None:
                self._wanted.remove(self._root)
                self._job, self._began = scan(self._root), mono
        return self._job is not None

    def _advance(self, until: int, events: list[Observed]) -> None:
        while self._job is not None and len(events) < EVENTS:
            mono = self._clock().mono
            if mono >= until or not (self._files.ready(mono) and self._bytes.ready(mono)):
                return
            step = next(self._job, None)
            if step is None:
                if self._root is not None:
                    self._after[self._root] = 2 * mono - self._began
                self._job = self._root = None
            elif isinstance(step, Observed):
                events.append(step)
            else:
                self._files.spend(step.files)
                self._bytes.spend(step.bytes)
