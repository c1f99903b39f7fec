"""The file sensor's work, cut into slices of a few ms: changed paths first, then the scan of whole trees.

What was learned is committed some seconds after the events that told it, when they are sealed; after a crash
the scan finds what was not (at least once, R31).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from evidence.kind import Actor

from ..kernel.no_follow import present
from ..kernel.pressure import Pressure
from ..sensor import Context, Moment, Observed
from ..tree_change import TreeChanges, Trees
from .baseline import Baseline
from .file_history import FileHistory, Sight
from .file_scans import EVENTS, Job, Scans
from .package_lock import transaction_runs
from .package_summaries import PackageSummaries
from .packages import Packages
from .pending_paths import Noted, PendingPaths, is_installer
from .tree_scan import Step, TreeScan

_LIVE_SLICE = 20_000_000
_SEALED, _LATEST = 5_000_000_000, 30_000_000_000
_RETRY = 5_000_000_000
_TRANSACTION = 1.0
"""Seconds between two looks whether a package transaction is over."""


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
        self._authors = context.authors
        self._scans = Scans(settings, context.clock, Pressure(settings.scan_pressure))
        self._pending = PendingPaths(partial(transaction_runs, Path(settings.dpkg)), self._named)
        self._summaries = PackageSummaries(context.authors.covers)
        self._stale = False
        self._live: deque[Job] = deque()
        self._parts: _Parts | None = None
        self._retry_at = self._told_at = self._committed_at = 0
        self._lost: Counter[str] = Counter()

    def note(self, noted: Noted) -> None:
        """Remember what happened, merged with what is pending of the same path."""
        root = self._trees.root_of(noted.path)
        if root is None:
            return
        if not self._pending.add(noted):
            self.rescan("too many changes at once", (root,))
        else:
            self._authors.expect(os.fsdecode(noted.path), noted.mono)

    def packages_changed(self) -> None:
        """Read the package database again, once no transaction runs."""
        self._stale = True

    def rescan(self, cause: str, roots: Iterable[bytes]) -> None:
        """Count a loss and look at everything below roots again."""
        for root in roots:
            self._lost[f"{cause}: looked again at {root.decode('utf-8', 'backslashreplace')}"] += 1
            if self._parts is not None:
                self._scans.want(root)

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

    def pause(self, now: Moment) -> float | None:
        """Return the seconds after which `work` should be called again; None when nothing is to be done."""
        if self._live:
            return 0.0
        unsaved = self._parts is None or self._parts.baseline.changed
        pauses = (
            self._scans.pause(now.mono),
            self._pending.pause(),
            _TRANSACTION if self._stale or self._summaries else None,
            _SEALED / 1e9 if unsaved else None,
        )
        return min((pause for pause in pauses if pause is not None), default=None)

    def losses(self) -> dict[str, int]:
        """Return what could not be seen since the last call, by cause."""
        lost, self._lost = self._lost, Counter()
        if self._parts is not None:
            lost.update(self._parts.scan.lost)
            self._parts.scan.lost.clear()
        return dict(lost)

    def rest(self, now: Moment) -> list[Observed]:
        """Return what is gathered of packages; what still waits is found by the scan of the next start."""
        if self._parts is None:
            return []
        with suppress(sqlite3.Error):
            return self._summaries.due(now, self._parts.packages.versions, over=True)
        return []

    def close(self) -> None:
        """Commit what was learned and told."""
        if self._parts is not None:
            with suppress(sqlite3.Error):
                if self._summaries:
                    self._parts.baseline.abandon()
                else:
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
        self._scans.first(Step(1, step) for step in packages.refresh())
        for root in self._trees.roots:
            self._scans.want(root)
        return _Parts(baseline, history, packages, scan)

    def _disarm(self, error: Exception, now: Moment) -> None:
        """Forget all work; what happens until it is open again is found by the scan."""
        self._lost[f"baseline: {error}"[:200]] += 1
        if self._parts is not None:
            with suppress(sqlite3.Error):
                self._parts.baseline.abandon()
            self._parts = None
        self._pending.clear()
        self._summaries.clear()
        self._live.clear()
        self._scans.clear()
        self._retry_at = now.mono + _RETRY

    def _slice(self, parts: _Parts, now: Moment) -> list[Observed]:
        self._commit(parts, now)
        self._plan(parts, now)
        events: list[Observed] = []
        if self._live:
            self._advance(self._clock().mono + _LIVE_SLICE, events)
        else:
            self._scans.run(now, lambda root: self._scan(parts, root), events)
        events = self._summaries.sift(events, now)
        events += self._follow_packages(parts, now)
        if events:
            self._told_at = now.mono
        return events

    def _follow_packages(self, parts: _Parts, now: Moment) -> list[Observed]:
        """Return what is to be told of packages; when a transaction is over read their database again."""
        packages = parts.packages
        if not (self._summaries or self._stale or packages.unsettled or packages.unlisted):
            return []
        over = not (self._live or self._pending.installing or self._pending.transaction(now.mono))
        told = self._summaries.due(now, packages.versions, over=over)
        if over and (self._stale or packages.unlisted):
            self._stale = False
            self._live.append(Step(1, step) for step in packages.refresh())
        elif over:
            packages.settle()
        return told

    def _plan(self, parts: _Parts, now: Moment) -> None:
        """Make a job of the paths that are due: what is there first, so that a rename is seen as one."""
        due = self._pending.due(now.mono)
        if due:
            there = present(pending.path for pending in due)
            due.sort(key=lambda pending: pending.path not in there)
            self._live.append(self._look(parts, due, there))

    def _named(self, pending: Noted) -> Actor | None:
        """Ask again who it was: an exec may be told after the change that it made."""
        actor = pending.actor
        if actor is None or actor.pid is None or actor.exe is not None:
            return actor
        return self._processes.actor(actor.pid, pending.mono) or actor

    def _advance(self, until: int, events: list[Observed]) -> None:
        """Advance the first live jobs until the slice is over."""
        while self._live and len(events) < EVENTS and self._clock().mono < until:
            step = next(self._live[0], None)
            if step is None:
                self._live.popleft()
            elif isinstance(step, Observed):
                events.append(step)

    def _commit(self, parts: _Parts, now: Moment) -> None:
        """Commit when the last events have been sealed; under endless events after a while all the same.

        What is gathered of a package is not told yet, so what it tells of is not known yet.
        """
        if self._summaries:
            return
        quiet = now.mono - self._told_at >= _SEALED and now.mono - self._committed_at >= _SEALED
        if parts.baseline.changed and (quiet or now.mono - self._committed_at >= _LATEST):
            parts.baseline.commit()
            self._committed_at = now.mono

    def _scan(self, parts: _Parts, root: bytes) -> Job:
        """Scan a tree; one that was never scanned to its end is learned without events."""
        sight = Sight("scan", quiet=not _complete(parts, root))
        for step in parts.scan.scan(root, sight):
            yield step if isinstance(step, Step) else Observed(step)
        parts.baseline.set_fact(_fact(root), b"1")

    def _look(self, parts: _Parts, due: list[Noted], there: set[bytes]) -> Job:
        """Look at changed paths; a folder that appeared is scanned, for what came before it was watched."""
        due.reverse()
        while due:
            noted = due.pop()  # there may be thousands: each is let go once it was looked at
            absent = noted.path not in there
            if absent and self._came_and_went(parts, noted):
                yield Step(0, 0)
            else:
                sight = self._sight(parts, noted, absent=absent)
                look = parts.scan.scan if noted.appeared else parts.scan.look
                for step in look(noted.path, sight):
                    yield step if isinstance(step, Step) else Observed(step, mono=noted.mono)
            self._authors.settle(os.fsdecode(noted.path))

    def _came_and_went(self, parts: _Parts, noted: Noted) -> bool:
        """Return whether what is not there any more was never looked at, so that nothing is to be told."""
        if noted.installed or parts.baseline.knows(noted.path):
            return False
        return noted.appeared or _complete(parts, self._trees.root_of(noted.path) or noted.path)

    def _sight(self, parts: _Parts, noted: Noted, *, absent: bool) -> Sight:
        root = self._trees.root_of(noted.path) or noted.path
        inside = noted.former is not None and self._trees.holds(noted.former)
        away = noted.latter is not None and not self._trees.holds(noted.latter)
        return Sight(
            "live",
            noted.actor,
            appeared=noted.appeared,
            unlearned=not noted.appeared and not _complete(parts, root),
            absent=absent,
            missed=noted.installed and not is_installer(noted.actor),
            late=noted.late,
            container_path=noted.container_path,
            former=noted.former if inside else None,
            moved_from=None if inside else noted.former,
            moved_to=noted.latter if away else None,
        )


def _complete(parts: _Parts, root: bytes) -> bool:
    return parts.baseline.fact(_fact(root)) is not None


def _fact(root: bytes) -> str:
    return f"complete:{root.hex()}"
