"""The file sensor's work, cut into slices of a few ms: changed paths first, then the scan of whole trees.

The scan is throttled in files and bytes a second, runs at idle I/O priority, and takes at most a fifth of a
core (R27). What was learned is committed some seconds after the events that told it, when they are sealed;
after a crash the scan finds what was not (at least once, R31).
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from evidence.kind import Actor, Body

from .baseline import Baseline
from .file_history import FileHistory, Sight
from .kernel.file_state import quick_state
from .kernel.io_priority import idle_io
from .packages import Packages, is_installer
from .sensor import Context, Moment, Observed
from .token_bucket import TokenBucket
from .tree_change import TreeChanges, Trees
from .tree_scan import TreeScan

SETTLE = 100_000_000
"""Nanoseconds from the first word of a path until it is looked at: most files are written in less."""

SETTLE_INSTALLED = 3_000_000_000
"""The same for a path that a package manager wrote: its package is known a little later."""

PENDING = 50_000
EVENTS = 2_000
"""Paths that wait to be looked at, and events of one slice, at most."""

_Job = Generator[int | Observed, None, None]
_LIVE_SLICE, _SCAN_SLICE, _SCAN_PAUSE = 20_000_000, 4_000_000, 20_000_000
_SEALED, _LATEST = 5_000_000_000, 30_000_000_000
_RETRY = 5_000_000_000


class _Pending(msgspec.Struct):
    mono: int
    due: int
    actor: Actor | None
    appeared: bool


class _Parts(msgspec.Struct, frozen=True):
    """What is open while the baseline is."""

    baseline: Baseline
    history: FileHistory
    packages: Packages
    scan: TreeScan


class FileWork:
    """Pending paths, jobs, and the baseline; the context's clock says when a slice ends."""

    def __init__(self, context: Context, trees: Trees, changes: TreeChanges) -> None:
        settings = context.settings.file
        self._path = context.state / "baseline.db"
        self._settings = settings
        self._trees = trees
        self._changes = changes
        self._clock = context.clock
        self._processes = context.processes
        self._files = TokenBucket(settings.scan_files_per_s)
        self._bytes = TokenBucket(settings.scan_bytes_per_s)
        self._pending: dict[bytes, _Pending] = {}
        self._live: deque[_Job] = deque()
        self._scans: deque[_Job] = deque()
        self._parts: _Parts | None = None
        self._retry_at = self._told_at = self._committed_at = self._scanned_at = 0
        self._lost: Counter[str] = Counter()

    def note(self, path: bytes, actor: Actor | None, *, appeared: bool, mono: int) -> None:
        """Remember that something happened to path at mono, by actor as far as known."""
        if not self._trees.holds(path):
            return
        pending = self._pending.get(path)
        if pending is not None:
            pending.actor = actor or pending.actor
            pending.due = max(pending.due, pending.mono + _settle(pending.actor))
            pending.appeared |= appeared
        elif len(self._pending) < PENDING:
            self._pending[path] = _Pending(mono, mono + _settle(actor), actor, appeared)
        else:
            self.rescan("too many changes at once")

    def rescan(self, cause: str) -> None:
        """Count a loss and look at everything again."""
        self._lost[cause] += 1
        self._pending.clear()
        self._scans.clear()
        if self._parts is not None:
            self._scan_all(self._parts)

    def work(self, now: Moment) -> list[Observed]:
        """Do a slice of work; a fault of the disk is counted, and everything opened anew in a while."""
        try:
            if self._parts is None:
                if now.mono < self._retry_at:
                    return []
                self._parts = self._arm()
            return self._slice(self._parts, now)
        except (sqlite3.Error, OSError) as error:
            self._disarm(error, now)
            return []

    def pause(self) -> float | None:
        """Return the seconds after which `work` should be called again; None when nothing is to be done."""
        if self._live:
            return 0.0
        if self._scans:
            return _SCAN_PAUSE / 1e9
        if self._pending:
            return SETTLE / 1e9
        return None if self._parts is not None and not self._parts.baseline.changed else _SEALED / 1e9

    def losses(self) -> dict[str, int]:
        """Return what could not be seen since the last call, by cause."""
        lost, self._lost = self._lost, Counter()
        if self._parts is not None:
            lost.update(self._parts.scan.lost)
            self._parts.scan.lost.clear()
        return dict(lost)

    def close(self) -> None:
        """Commit what was learned."""
        if self._parts is not None:
            with suppress(sqlite3.Error):
                self._parts.baseline.close()
            self._parts = None

    def _arm(self) -> _Parts:
        """Open the baseline and begin to scan all trees."""
        baseline = Baseline(self._path)
        self._lost["baseline damaged, learned again"] += baseline.moved_aside
        dpkg = Path(self._settings.dpkg)
        packages = Packages(baseline.db, self._trees, dpkg=dpkg, rpm=shutil.which("rpm"))
        history = FileHistory(baseline, packages, self._settings.hash_limit_bytes)
        scan = TreeScan(history, baseline, self._changes, self._trees)
        parts = _Parts(baseline, history, packages, scan)
        self._scans.append(packages.refresh())
        self._scan_all(parts)
        return parts

    def _disarm(self, error: Exception, now: Moment) -> None:
        """Forget all work; what happens until it is open again is found by the scan."""
        self._lost[f"baseline: {error}"[:200]] += 1
        if self._parts is not None:
            with suppress(sqlite3.Error):
                self._parts.baseline.abandon()
            self._parts = None
        self._pending.clear()
        self._live.clear()
        self._scans.clear()
        self._retry_at = now.mono + _RETRY

    def _scan_all(self, parts: _Parts) -> None:
        self._scans.extend(_scan(parts, root) for root in self._trees.roots)

    def _slice(self, parts: _Parts, now: Moment) -> list[Observed]:
        self._commit(parts, now)
        self._plan(parts, now)
        events: list[Observed] = []
        if self._live:
            self._run(self._live, now.mono + _LIVE_SLICE, events)
        elif self._scans and now.mono - self._scanned_at >= _SCAN_PAUSE:
            self._scanned_at = now.mono
            with idle_io():
                self._run(self._scans, now.mono + _SCAN_SLICE, events, throttled=True)
        if events:
            self._told_at = now.mono
        return events

    def _plan(self, parts: _Parts, now: Moment) -> None:
        """Make a job of the paths that have settled: what is there first, so that a rename is seen as one."""
        due = {path: pending for path, pending in self._pending.items() if now.mono >= pending.due}
        for path, pending in due.items():
            del self._pending[path]
            pending.actor = self._named(pending)
        if due:
            order = sorted(due.items(), key=lambda item: quick_state(item[0]) is None)
            self._live.append(_look(parts, self._root_of, order))

    def _named(self, pending: _Pending) -> Actor | None:
        """Ask again who it was: an exec may be told after the change that it made."""
        actor = pending.actor
        if actor is None or actor.pid is None or actor.exe is not None:
            return actor
        return self._processes.actor(actor.pid, pending.mono) or actor

    def _root_of(self, path: bytes) -> bytes:
        """Return the tree that holds path."""
        return next(root for root in self._trees.roots if Trees((root,), ()).holds(path))

    def _run(self, jobs: deque[_Job], until: int, events: list[Observed], *, throttled: bool = False) -> None:
        """Advance the first jobs until the slice is over."""
        while jobs and len(events) < EVENTS:
            mono = self._clock().mono
            if mono >= until or (throttled and not (self._files.ready(mono) and self._bytes.ready(mono))):
                return
            try:
                step = next(jobs[0])
            except StopIteration:
                jobs.popleft()
                continue
            if isinstance(step, Observed):
                events.append(step)
            elif throttled and step:
                self._bytes.spend(step)
            elif throttled:
                self._files.spend(1)

    def _commit(self, parts: _Parts, now: Moment) -> None:
        """Commit when the last events have been sealed; under endless events after a while all the same."""
        quiet = now.mono - self._told_at >= _SEALED and now.mono - self._committed_at >= _SEALED
        if parts.baseline.changed and (quiet or now.mono - self._committed_at >= _LATEST):
            parts.baseline.commit()
            self._committed_at = now.mono


def _scan(parts: _Parts, root: bytes) -> _Job:
    """Scan a tree; one that was never scanned to its end is learned without events."""
    sight = Sight("scan", quiet=not _complete(parts, root))
    for step in parts.scan.scan(root, sight):
        yield step if isinstance(step, int) else Observed(step)
    parts.baseline.set_fact(_fact(root), b"1")


def _look(parts: _Parts, root_of: Callable[[bytes], bytes], due: list[tuple[bytes, _Pending]]) -> _Job:
    """Look at changed paths; a folder that appeared is scanned, for what came before it was watched."""
    for path, pending in due:
        learning = not _complete(parts, root_of(path))
        sight = Sight("live", pending.actor, quiet=learning and not pending.appeared)
        steps: Iterator[int | Body] = (
            parts.scan.scan(path, sight) if pending.appeared else parts.history.look(path, sight)
        )
        for step in steps:
            if isinstance(step, int):
                yield step
            else:
                yield Observed(step, mono=pending.mono)


def _settle(actor: Actor | None) -> int:
    """A package manager writes its list of files after the files."""
    return SETTLE_INSTALLED if is_installer(actor) else SETTLE


def _complete(parts: _Parts, root: bytes) -> bool:
    return parts.baseline.fact(_fact(root)) is not None


def _fact(root: bytes) -> str:
    return f"complete:{root.hex()}"
