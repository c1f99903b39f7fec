"""One source while the sensor runs: what it said last, when it is to be looked at again, and what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from .cursor_file import CursorFile
from .state_diff import Difference, Snapshot
from .state_source import Found, Source

KEPT_LIMIT = 32 << 20
"""Bytes of a snapshot as it is kept."""

_LONGEST = 5
"""Times `quiet` after which files that do not come to rest are read all the same."""


class Kept(msgspec.Struct, frozen=True):
    """What a source said, as it is kept over a restart."""

    snapshot: Snapshot


class Tracker:
    """A source, its last snapshot and when it is due (monotonic ns)."""

    def __init__(self, source: Source, cursor: CursorFile[Kept], key: bytes) -> None:
        self.source = source
        self._cursor = cursor
        self._key = key
        kept = cursor.load()
        self.snapshot: Snapshot | None = kept.snapshot if kept is not None else None
        self._kept = kept
        self.looked = False
        """Whether it was looked at since the start: before, what differs happened while nobody watched."""
        self.due: int | None = 0
        self._since: int | None = None

    def touch(self, now: int) -> None:
        """Note that files may have changed: they are due when nothing happened for a while."""
        quiet = int(self.source.quiet * 1e9)
        self._since = now if self._since is None else self._since
        if self.due is None or self.due > now:
            self.due = min(now + quiet, self._since + _LONGEST * quiet)

    def postpone(self, now: int, pause: int) -> bool:
        """Wait for a package transaction; return False when that took longer than the source's patience."""
        self._since = now if self._since is None else self._since
        if now - self._since > int(self.source.patience * 1e9):
            return False
        self.due = now + pause
        return True

    def look(self, found: Iterable[Found], now: int) -> list[Difference]:
        """Take what the source's files say now; return what differs, nothing for the first time ever."""
        snapshot: Snapshot = {}
        for one in found:
            snapshot |= self.source.parse(one)
        if self.source.secret:
            snapshot = self._digested(snapshot)
        before, self.snapshot = self.snapshot, snapshot
        self.looked = True
        self._since = None
        self.due = None if self.source.every is None else now + int(self.source.every * 1e9)
        if before == snapshot:
            return []
        self._kept = Kept(snapshot)
        return [] if before is None else list(self.source.diff(before, snapshot))

    def keep(self, now: int) -> bool:
        """Save the snapshot once what it told is sealed; return whether it still waits for that.

        Raises:
            OSError: it could not be saved; a later call tries again.
        """
        if self._kept is not None:
            self._cursor.offer(self._kept, now)
        return self._cursor.pending

    def close(self) -> None:
        """Save the newest snapshot.

        Raises:
            OSError: it could not be saved.
        """
        self._cursor.close()

    def _digested(self, snapshot: Snapshot) -> Snapshot:
        return {
            subject: {name: self._digest(subject, value) for name, value in said.items()}
            for subject, said in snapshot.items()
        }

    def _digest(self, subject: str, value: str) -> str:
        if not value:
            return ""
        text = f"{subject}\0{value}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).hexdigest()
