"""Changes in the watched trees, against a baseline, and reads of sensitive files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.file import Create

from ..file_work import FileWork
from ..sensitive_reads import SensitiveReads
from ..sensor import Context, Moment, Observed
from ..tree_change import TreeChanges, Trees
from .tally import Tally

_IDLE = 10.0
_GATHERING = 0.25
_SUGGESTIONS = {"queue overflow": "watch fewer trees, or raise fs.fanotify.max_queued_events"}
_NAMED = 200
"""Characters of the trees that one loss names."""


class FileFeed:
    """Glue between what reports changes, the work on them, and the reads (None where they cannot be seen)."""

    def __init__(
        self, context: Context, trees: Trees, changes: TreeChanges, reads: SensitiveReads | None
    ) -> None:
        """Watch the trees and begin to scan them.

        Raises:
            OSError: the state folder cannot be used.
        """
        self._processes = context.processes
        self._authors = context.authors
        self._changes = changes
        self._reads = reads
        self._tally = Tally("file", _SUGGESTIONS)
        if reads is None:
            self._tally.add("sensitive reads cannot be seen on this rung")
        self._tell("this user cannot read", trees.barred)
        self._tell("no folder, so not watched before the next start", changes.unwatched)
        self._probe = context.state / "file.probe"
        self._probe.mkdir(mode=0o700, exist_ok=True)
        changes.add_folder(bytes(self._probe))
        self._work = FileWork(context, trees, changes)
        self.period: float | None = 0.0

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors of changes and reads."""
        return (*self._changes.filenos(), *((self._reads.fileno(),) if self._reads else ()))

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the events of this slice of work."""
        events = self._gather(now)
        events += (self._authored(one, now) for one in self._work.work(now))
        if self._reads is not None:
            events += self._reads.read(now)
        pauses = [self._work.pause(), _GATHERING if self._reads and self._reads.gathering else None, _IDLE]
        self.period = min(pause for pause in pauses if pause is not None)
        return events

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what could not be seen since the last call, by cause."""
        for cause, count in self._work.losses().items():
            self._tally.add(cause, count)
        for cause, count in (self._reads.losses() if self._reads else {}).items():
            self._tally.add(f"sensitive reads: {cause}", count)
        return self._tally.take(now)

    def trigger(self) -> Callable[[Body], bool]:
        """Create a file in a folder of our own; its file.create is the test."""
        self._clean_probe()
        path = self._probe / secrets.token_hex(8)
        path.touch(mode=0o600)
        return lambda body: isinstance(body, Create) and body.path == str(path)

    def close(self) -> None:
        """Commit what was learned and give everything back."""
        self._work.close()
        self._clean_probe()
        self._changes.close()
        if self._reads is not None:
            self._reads.close()

    def _authored(self, one: Observed, now: Moment) -> Observed:
        """Let whoever tells what the file says know who wrote it."""
        body = self._authors.learn(one.body, now.mono)
        return one if body is one.body else Observed(body, mono=one.mono, time=one.time)

    def _gather(self, now: Moment) -> list[Observed]:
        """Hand the changes to the work; return those of the probe."""
        changes, lost = self._changes.read()
        if lost:
            self._work.rescan("queue overflow")
        actors: dict[int, Actor | None] = {}
        seen: list[Observed] = []
        probe = bytes(self._probe) + b"/"
        for change in changes:
            if change.path.startswith(probe):
                if change.appeared:
                    seen.append(Observed(Create(path=os.fsdecode(change.path)), mono=now.mono))
                continue
            if change.pid is not None and change.pid not in actors:
                actors[change.pid] = self._processes.actor(change.pid, now.mono) or Actor(pid=change.pid)
            actor = actors[change.pid] if change.pid is not None else None
            self._work.note(change.path, actor, appeared=change.appeared, mono=now.mono)
        return seen

    def _tell(self, cause: str, trees: tuple[bytes, ...]) -> None:
        """Say which trees are not seen; the others are."""
        if trees:
            names = ", ".join(os.fsdecode(tree) for tree in trees)
            self._tally.add_unknown(f"{cause}: {names[:_NAMED]}")

    def _clean_probe(self) -> None:
        with suppress(OSError):
            for former in self._probe.iterdir():
                former.unlink()
