"""Ship's side of the spool: which statement goes next, and its body. Reads `out/` only.

Priority goes before bulk, each lane oldest first, and never beyond the head that watch made durable. A lane's
files are read on from where the last read ended, so a long backlog costs no memory.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec

from evidence.kind import Lane

from ..errors import SpoolError
from . import heads, progress, record, segment
from .disk import Disk
from .outbox import HEADS_FILE
from .progress import Acked, Progress

_READ = 256 << 10


class Place(msgspec.Struct, frozen=True):
    """Where a statement lies: enough to read it again."""

    lane: Lane
    seq: int
    first: int
    offset: int


class Parcel(msgspec.Struct, frozen=True):
    """A statement and its data, ready to post; unreadable: the data should be there but is damaged."""

    place: Place
    envelope: bytes
    data: bytes
    unreadable: bool = False


class _Cursor:
    """How far a lane was read."""

    def __init__(self) -> None:
        self.next = 1
        self.first: int | None = None
        self.offset = 0
        self.queue: deque[Place] = deque()


class Outgoing:
    """The statements that wait, as ship sees them."""

    def __init__(self, folder: Path, key: bytes, disk: Disk) -> None:
        """Take the spool's folder and key."""
        self._out = folder / "out"
        self._key = key
        self._disk = disk
        self._cursors: dict[Lane, _Cursor] = {lane: _Cursor() for lane in heads.LANES}
        self._data_key: tuple[Path | None, bytes] = (None, b"")
        self.progress = Progress()

    def refresh(self) -> None:
        """Read what watch says it has acknowledged; what cannot be read now is read the next time."""
        try:
            raw = self._disk.read(self._out / progress.FILE, 0, progress.LIMIT)
            told = progress.decode(raw)
        except (OSError, SpoolError):
            return
        if told.restored != self.progress.restored:
            self._cursors = {lane: _Cursor() for lane in heads.LANES}
        self.progress = told

    def heads(self) -> heads.Heads | None:
        """Return the heads, None before the first start of watch."""
        try:
            found = heads.decode(self._disk.read(self._out / HEADS_FILE, 0, 2 * heads.SLOT))
        except OSError:
            return None
        return found[0] if found else None

    def peek(self, lane: Lane) -> Place | None:
        """Return the lane's next statement, None when all up to the head were taken."""
        cursor = self._cursors[lane]
        acked = self.progress.acked(lane)
        while cursor.queue and acked.covers(cursor.queue[0].seq):
            cursor.queue.popleft()
        if not cursor.queue:
            self._fill(lane, cursor)
        return cursor.queue[0] if cursor.queue else None

    def take(self, lane: Lane) -> None:
        """Go on behind the statement `peek` showed."""
        self._cursors[lane].queue.popleft()

    def backlog(self, lane: Lane) -> int:
        """Return how many statements lie between the cursor and the head."""
        now = self.heads()
        cursor = self._cursors[lane]
        at = cursor.queue[0].seq if cursor.queue else cursor.next
        return max(0, now.mark(lane).head.seq - at + 1) if now else 0

    def open(self, place: Place) -> Parcel | None:
        """Return the parcel at place, None if the statement is gone: acknowledged, or damaged."""
        path = self._out / str(segment.Name(place.lane, place.first, segment.STATEMENTS))
        try:
            stored = segment.read_statement(self._disk, path, place.offset)
        except (OSError, SpoolError):
            return None
        data_path = self._out / str(segment.Name(place.lane, place.first, segment.DATA))
        try:
            data = self._data(data_path, stored)
        except FileNotFoundError:
            return Parcel(place, stored.envelope, b"")
        except (OSError, SpoolError):
            return Parcel(place, stored.envelope, b"", unreadable=True)
        return Parcel(place, stored.envelope, data)

    def _data(self, path: Path, stored: segment.Stored) -> bytes:
        """Read data; the key of the file read last is kept, since its neighbours come next."""
        if not stored.data_length:
            return b""
        if self._data_key[0] != path:
            self._data_key = path, segment.read_key(self._disk, path, self._key)
        return segment.read_with_key(self._disk, path, self._data_key[1], stored)

    def _fill(self, lane: Lane, cursor: _Cursor) -> None:
        """Queue the next statements of the lane, from the file after the one that is read to its end."""
        now = self.heads()
        if now is None:
            return
        acked, head = self.progress.acked(lane), now.mark(lane).head.seq
        cursor.next = max(cursor.next, acked.floor + 1)
        while cursor.next <= head and not cursor.queue:
            first = self._file_of(lane, cursor.next)
            if first is None:
                return
            if first != cursor.first:
                cursor.first, cursor.offset = first, 0
            if not self._read_on(lane, cursor, first, head, acked) and not self._step_over(
                lane, cursor, first
            ):
                return

    def _file_of(self, lane: Lane, seq: int) -> int | None:
        """Return the first number of the file that holds seq, or of the next one after a hole."""
        names = [segment.parse_name(text) for text in self._disk.names(self._out)]
        firsts = sorted(n.first for n in names if n and n.lane == lane and n.suffix == segment.STATEMENTS)
        before = [first for first in firsts if first <= seq]
        if before:
            return before[-1]
        return firsts[0] if firsts else None

    def _read_on(self, lane: Lane, cursor: _Cursor, first: int, head: int, acked: Acked) -> bool:
        """Queue what is not acknowledged of the current file; False if nothing durable is left in it."""
        path = self._out / str(segment.Name(lane, first, segment.STATEMENTS))
        try:
            raw = self._disk.read(path, cursor.offset, _READ)
        except OSError:
            return False
        start, found = cursor.offset, False
        for item in record.scan(raw, segment.STATEMENT_MAGIC):
            if not isinstance(item, record.Record):
                continue
            if item.number > head:
                break
            cursor.offset = start + item.offset + record.OVERHEAD + len(item.body)
            found = True
            if item.number >= cursor.next:
                cursor.next = item.number + 1
                if acked.covers(item.number):
                    continue
                cursor.queue.append(Place(lane, item.number, first, start + item.offset))
        return found

    def _step_over(self, lane: Lane, cursor: _Cursor, first: int) -> bool:
        """Go on with the file after first, past statements that are damaged; False if there is none."""
        names = [segment.parse_name(text) for text in self._disk.names(self._out)]
        later = [
            name.first
            for name in names
            if name and name.lane == lane and name.suffix == segment.STATEMENTS and name.first > first
        ]
        if not later:
            return False
        cursor.next = max(cursor.next, min(later))
        return True
