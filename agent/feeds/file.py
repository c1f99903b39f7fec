"""Changes in the watched trees, against a baseline, and reads of sensitive files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.file import Create
from evidence.text import to_text

from ..kernel.writers import Writers
from ..sensor import Context, Moment, Observed
from ..tree_change import TreeChange, TreeChanges, TreeNews, Trees
from ..trees.file_work import FileWork
from ..trees.pending_paths import Noted, is_installer
from ..trees.sensitive_reads import SensitiveReads
from .tally import Tally

_IDLE = 10.0
_REST, _LONG_REST = 50_000_000, 200_000_000
"""Nanoseconds for which changes queue up, merging in the kernel, after some came; longer if none was ours."""

_FOREIGN_WINDOW, _FOREIGN = 10_000_000_000, 20_000
"""Records of other places within so many ns, from which on whole filesystems are too much to see."""

_PORTIONS = 16
"""Portions of the changes in one turn, at most."""

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
        self._trees = trees
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
        self._database = os.fsencode(Path(context.settings.file.dpkg) / "info")
        with suppress(OSError):  # there is no dpkg
            changes.add_folder(self._database)
        self._work = FileWork(context, trees, changes)
        self._writers = Writers()
        self._resting = False
        self._rest_until = 0
        self._foreign = 0
        self._foreign_since = 0
        self.period: float | None = 0.0

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors of reads, and of changes unless they are left to queue up."""
        changes = () if self._resting else self._changes.filenos()
        return (*changes, *((self._reads.fileno(),) if self._reads else ()))

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the events of this slice of work."""
        events = self._gather(now) if now.mono >= self._rest_until else []
        events += (self._authored(one, now) for one in self._work.work(now))
        if self._reads is not None:
            events += self._reads.read(now)
        pauses = [
            self._work.pause(now),
            self._reads.pause if self._reads else None,
            max(0, self._rest_until - now.mono) / 1e9 if self._resting else None,
            _IDLE,
        ]
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

    def rest(self, now: Moment) -> Iterable[Observed]:
        """Return what is gathered of packages and of reads."""
        reads = self._reads.rest(now) if self._reads is not None else ()
        return [*self._work.rest(now), *reads]

    def close(self) -> None:
        """Commit what was learned and give everything back."""
        self._work.close()
        self._clean_probe()
        self._changes.close()
        if self._reads is not None:
            self._reads.close()

    def _authored(self, one: Observed, now: Moment) -> Observed:
        """Let whoever tells what the file says know who wrote it."""
        body = self._authors.learn(one.body, now.mono if one.mono is None else one.mono)
        return one if body is one.body else Observed(body, mono=one.mono, time=one.time)

    def _gather(self, now: Moment) -> list[Observed]:
        """Hand the changes to the work; return those of the probe."""
        seen: list[Observed] = []
        ours = foreign = more = False
        for _ in range(_PORTIONS):
            news = self._changes.read()
            ours, foreign, more = ours or bool(news.changes), foreign or news.foreign > 0, news.more
            self._work.rescan("queue overflow", news.lost)
            self._narrow(news, now)
            seen += self._take(news, now)
            if not more:
                break
        self._resting = (ours or foreign) and not more
        self._rest_until = now.mono + (_REST if ours else _LONG_REST) if self._resting else 0
        return seen

    def _take(self, news: TreeNews, now: Moment) -> list[Observed]:
        """Hand a portion of the changes to the work; return those of the probe."""
        actors: dict[int, tuple[Actor | None, str | None]] = {}
        seen: list[Observed] = []
        probe, database = bytes(self._probe) + b"/", self._database + b"/"
        for change in news.changes:
            if change.path.startswith(database):
                self._work.packages_changed()
            if change.path.startswith(probe):
                if change.appeared:
                    seen.append(Observed(Create(path=os.fsdecode(change.path)), mono=now.mono))
            else:
                self._work.note(self._noted(change, actors, now))
        return seen

    def _noted(
        self, change: TreeChange, actors: dict[int, tuple[Actor | None, str | None]], now: Moment
    ) -> Noted:
        """Name who it was: from /proc while it lives, else by pid and time from what was seen of it."""
        noted = Noted(
            change.path, now.mono, appeared=change.appeared, former=change.former, latter=change.latter
        )
        if change.pid is None:
            return noted
        if change.first is not None:
            noted.installed = is_installer(self._processes.actor(change.first, now.mono))
        if change.pid not in actors:
            namespace = self._writers.namespace(change.pid)
            actors[change.pid] = self._processes.actor(change.pid, now.mono), namespace
        actor, namespace = actors[change.pid]
        noted.actor = actor or Actor(pid=change.pid)
        noted.late = namespace is None
        if namespace is not None:
            shown = self._writers.container_path(change.path, change.pid, namespace, now.mono)
            noted.container_path = to_text(shown)[0] if shown is not None else None
        return noted

    def _narrow(self, news: TreeNews, now: Moment) -> None:
        """Give up seeing whole filesystems when too much happens elsewhere on them."""
        if now.mono - self._foreign_since >= _FOREIGN_WINDOW:
            self._foreign, self._foreign_since = 0, now.mono
        self._foreign += news.foreign
        if self._foreign > _FOREIGN or (news.lost and news.foreign > len(news.changes)):
            self._foreign = 0
            if self._changes.narrow():
                self._work.rescan("too much elsewhere, folders are marked instead", self._trees.roots)

    def _tell(self, cause: str, trees: tuple[bytes, ...]) -> None:
        """Say which trees are not seen; the others are."""
        if trees:
            names = ", ".join(os.fsdecode(tree) for tree in trees)
            self._tally.add_unknown(f"{cause}: {names[:_NAMED]}")

    def _clean_probe(self) -> None:
        with suppress(OSError):
            for former in self._probe.iterdir():
                former.unlink()
