"""Who opens and reads sensitive files and decoys: fanotify marks on each file that a pattern now means.

A pattern that means a folder stands for all that is in it, at any depth: its folders are marked. A file that
is replaced (as useradd replaces /etc/shadow) is another inode, so the folders of the patterns are marked too:
a name that fits and appears there is marked at once. All patterns are tried anew on a timer, for what appears
in folders that did not exist.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from evidence.kinds.file import Read

from ..decode import fanotify as records
from ..decode.fanotify import Raw, parse_fanotify
from ..kernel.fanotify import READS
from ..kernel.writers import Writers
from ..sensor import Moment, Observed, Processes
from ..settings import File
from .read_window import Due, Reader, ReadWindows
from .sensitive_marks import SensitiveMarks, Target

_REGLOB = 30_000_000_000
_PATIENCE = 1_000_000_000
"""Nanoseconds for which a read waits for the exec of its process to be told, where that has gone."""
_SETTLED = 200_000_000
"""Nanoseconds for which each read waits: fanotify may be ahead of the rings, read ten times a second.

When an open is read it is taken to be no older than this.
"""
_WAITING, _GATHERING = 0.1, 1.0
"""Seconds between two looks while a read waits to be named, and while windows are open."""
_CHECKERS = frozenset({"sudo", "su", "doas", "login"})
"""Programs that read passwords to check who asks, and may then become what was asked for."""


class SensitiveReads:
    """The open marks and windows."""

    def __init__(self, settings: File, processes: Processes, clock: Callable[[], Moment]) -> None:
        """Mark what is there.

        Raises:
            RungUnavailable: fanotify does not work here.
        """
        targets = [Target(pattern) for pattern in settings.sensitive]
        targets += [Target(pattern, decoy=True) for pattern in settings.decoys]
        self._processes = processes
        self._clock = clock
        self._drained = 0
        """When (monotonic ns) nothing was queued that had not been read."""
        self._writers = Writers()
        self._windows = ReadWindows(int(settings.read_window * 1e9))
        self._marks = SensitiveMarks(tuple(targets))
        self._lost: Counter[str] = Counter()
        self._unnamed: list[Due] = []
        self._globbed: int | None = None
        self._own = os.getpid()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._marks.fileno()

    @property
    def pause(self) -> float | None:
        """Seconds after which `read` should be called again; None when nothing is gathered."""
        if self._unnamed:
            return _WAITING
        return _GATHERING if len(self._windows) > 0 else None

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the reads that are to be told."""
        if self._globbed is None or now.mono - self._globbed >= _REGLOB:
            self._look(now)
        if self._drain(now):
            self._look(now)
        gone = {pid for pid in self._windows.pids() if self._writers.namespace(pid) is None}
        self._windows.end(gone, now.mono)
        return self._told(self._windows.due(now.mono), now.mono)

    def rest(self, now: Moment) -> Iterable[Observed]:
        """Return all that is gathered."""
        return self._told(self._windows.due(now.mono, over=True), now.mono, over=True)

    def losses(self) -> dict[str, int]:
        """Return what could not be seen since the last call, by cause."""
        lost, self._lost = self._lost + self._marks.lost, Counter()
        self._marks.lost.clear()
        return dict(lost)

    def close(self) -> None:
        """Give the marks back."""
        self._marks.close()

    def _look(self, now: Moment) -> None:
        self._globbed = now.mono
        self._marks.look()

    def _drain(self, now: Moment) -> bool:
        """Count what is queued; return whether a file of a pattern may have appeared."""
        before = self._clock().mono
        left, appeared = READS, False
        for piece in self._marks.read():
            left -= 1
            read_at = self._clock().mono
            between = max(self._drained, read_at - _SETTLED), read_at
            for raw in parse_fanotify(piece):
                appeared |= self._take(raw, now, between)
        if left:
            self._drained = before
        return appeared

    def _take(self, raw: Raw, now: Moment, between: tuple[int, int]) -> bool:
        """Count an open or a read; return whether a file of a pattern may have appeared."""
        if raw.mask & records.OVERFLOW:
            self._lost["queue overflow"] += 1
            return True
        if raw.mask & (records.CREATE | records.MOVED_TO):
            return self._marks.may_mean(raw)
        if raw.pid == self._own or raw.mask & records.ON_DIR:
            return False
        opened = self._marks.opened(raw)
        if opened is not None:
            reader = Reader(raw.pid, self._processes.actor(raw.pid, now.mono))
            size = 0 if self._windows.has_read(reader, opened) else _size(opened.path)
            opens = int(raw.mask & records.OPEN != 0)
            self._windows.add(
                reader, opened, time=now.time, mono=now.mono, between=between, opens=opens, size=size
            )
        return False

    def _told(self, due: list[Due], now: int, *, over: bool = False) -> list[Observed]:
        """Return the reads that can be told at now (mono): who has no name yet waits longer than others."""
        waiting, self._unnamed = [*self._unnamed, *due], []
        told: list[Observed] = []
        for one in waiting:
            age = now - one.mono
            body = self._named(one) if age <= _PATIENCE or _is_nameless(one.body) else one.body
            patience = _PATIENCE if _is_nameless(body) else _SETTLED
            if one.pid and age < patience and not over:
                self._unnamed.append(one)
            else:
                told.append(Observed(body, time=body.first))
        return told

    def _named(self, due: Due) -> Read:
        """Ask again who it was: its execs are told after they happen, and no time is told of an open.

        It came after all that was read before, and before it was read itself. Of the programs that the
        process ran in between, the last whose command names the file has read it, or else what checks
        passwords; or else the last: a shell that becomes what it was told to run has read nothing.
        """
        since, until = due.between
        last = self._processes.actor(due.pid, until) or due.body.actor
        formers = self._processes.formers(due.pid, since, until)
        if not formers or last is None:
            return replace(due.body, actor=last)
        ran = (last, *reversed(formers))
        named = (one for one in ran if any(path in (one.cmd_line or "") for path in due.body.paths))
        checks = (one for one in ran if Path(one.exe or "").name in _CHECKERS)
        return replace(due.body, actor=next(named, None) or next(checks, last))


def _is_nameless(body: Read) -> bool:
    return body.actor is None or body.actor.exe is None


def _size(path: bytes) -> int:
    """Return how many bytes a reader could take."""
    try:
        return Path(os.fsdecode(path)).lstat().st_size
    except OSError:
        return 0
