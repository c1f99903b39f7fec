"""One source while the sensor runs: what it said last, when it is to be looked at again, and what differs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..cursor_file import CursorFile
from ..sensor import Context
from ..state_diff import Difference, Snapshot
from ..state_source import Found, Source, all_sources

KEPT_LIMIT = 32 << 20
"""Bytes of a snapshot as it is kept."""

_LAG = 2.0
"""Seconds beyond the priority lane's age after which an event is taken for sealed."""

_KEY_BYTES = 32
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
        self.looked_at: int | None = None
        """When it was looked at last since the start; before, what differs happened while nobody watched."""
        self.due: int | None = 0
        self._since: int | None = None

    def touch(self, now: int) -> None:
        """Note that files may have changed: they are due when nothing happened for a while."""
        quiet = int(self.source.quiet * 1e9)
        self._since = now if self._since is None else self._since
        if self.due is None or self.due > now:
            self.due = min(now + quiet, self._since + _LONGEST * quiet)

    def postpone(self, now: int, pause: int, patience: int) -> bool:
        """Wait a pause longer; return False when that made more than patience since the first notice (ns)."""
        self._since = now if self._since is None else self._since
        if now - self._since > patience:
            return False
        self.due = now + pause
        return True

    def look(self, found: Iterable[Found], now: int) -> list[Difference]:
        """Take what the source's files say now; return what differs, nothing for the first time ever."""
        snapshot: Snapshot = {}
        for one in found:
            snapshot |= self._former(one.path) if one.unread else self._said(one)
        before, self.snapshot = self.snapshot, snapshot
        self.looked_at = now
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

    def _said(self, found: Found) -> Snapshot:
        snapshot = self.source.parse(found)
        if not self.source.secret:
            return snapshot
        return {
            subject: {name: self._digest(subject, value) for name, value in said.items()}
            for subject, said in snapshot.items()
        }

    def _former(self, path: str) -> Snapshot:
        """Return what was said of a file that cannot be read now; it is not gone for that."""
        before = self.snapshot or {}
        if path in before:
            return {path: before[path]}
        return {subject: said for subject, said in before.items() if not subject.startswith("/")}

    def _digest(self, subject: str, value: str) -> str:
        if not value:
            return ""
        text = f"{subject}\0{value}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).hexdigest()


def open_trackers(context: Context) -> list[Tracker]:
    """Return a tracker for every source; what they keep is in a folder of the agent's state.

    Raises:
        OSError: the folder cannot be used.
    """
    folder = context.state / "host_state"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = _key(folder / "digest.key")
    lag = context.settings.batch.priority_age + _LAG
    return [
        Tracker(source, CursorFile(folder / f"{source.name}.json", Kept, lag, KEPT_LIMIT), key)
        for source in all_sources()
    ]


def _key(path: Path) -> bytes:
    """Return the key of the digests that are kept instead of secret values; made at the first start."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = b""
    if len(found) != _KEY_BYTES:
        found = os.urandom(_KEY_BYTES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(found)
    return found
