"""Read the ledger from another process: only what its newest durable signed checkpoint covers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from evidence import checkpoint, entry
from evidence.checkpoint import Checkpoint
from evidence.entry import EntryType
from evidence.errors import BadCheckpoint, EvidenceError

from ..errors import LedgerError
from . import layout, scan
from .layout import RECORD_HEADER, SEGMENT

_POLL_SECONDS = 0.05
_TORN_TRIES = 100
"""A reader may meet a checkpoint while it is written over; it reads again."""


class LedgerItem(msgspec.Struct, frozen=True, gc=False):
    """One entry with its data. received is the collector's clock when it came, UTC ns.

    data is empty where there was none; data and received are None where retention deleted them.
    """

    index: int
    type: EntryType
    payload: bytes
    data: bytes | None
    received: int | None


class _Cursor:
    """Where the next item stands in the files of its segment."""

    def __init__(self, folder: Path, segment: int) -> None:
        self.next = segment * SEGMENT
        self.segment = segment
        self._entries = (folder / layout.entries_name(segment)).open("rb")
        self._data: BinaryIO | None = None
        data = folder / layout.data_name(segment)
        if data.exists():
            self._data = data.open("rb")

    def skip(self) -> None:
        """Pass over one item."""
        length = int.from_bytes(self._entries.read(2), "big")
        self._entries.seek(length, 1)
        if self._data is not None:
            self._data.seek(self._header(self._data).length, 1)
        self.next += 1

    def read(self) -> LedgerItem:
        """Return the next item."""
        length = int.from_bytes(self._entries.read(2), "big")
        found = entry.decode(self._entries.read(length))
        data: bytes | None = None
        received: int | None = None
        if self._data is not None:
            header = self._header(self._data)
            data, received = self._data.read(header.length), header.received
        item = LedgerItem(self.next, found.type, found.payload, data, received)
        self.next += 1
        return item

    def _header(self, data: BinaryIO) -> layout.DataHeader:
        header = layout.read_header(data.read(RECORD_HEADER))
        if header is None or header.index != self.next:
            raise LedgerError(f"{data.name}: no record of entry {self.next}; see vedette-collector fsck")
        return header

    def close(self) -> None:
        self._entries.close()
        if self._data is not None:
            self._data.close()


class LedgerReader:
    """The ledger as the pipeline tails it. Not for several threads at once."""

    def __init__(self, folder: Path) -> None:
        """Take the ledger's folder, ``ledger`` below the state folder.

        Raises:
            LedgerError: there is no ledger yet.
        """
        self._folder = folder
        try:
            self.key = checkpoint.parse_vkey((folder / layout.VERIFIER_KEY).read_text())
        except (OSError, BadCheckpoint) as error:
            raise LedgerError(f"{folder}: no ledger here ({error}); start vedette-collector serve") from error
        self._note = b""
        self._newest: Checkpoint | None = None
        self._cursor: _Cursor | None = None

    def checkpoint(self) -> Checkpoint:
        """Return the newest durable checkpoint.

        Raises:
            LedgerError: it cannot be read, or the ledger's key did not sign it.
        """
        for _ in range(_TORN_TRIES):
            note = self._read_note()
            if note == self._note and self._newest is not None:
                return self._newest
            try:
                self._newest = checkpoint.verify_note(note, self.key)
            except BadCheckpoint:
                continue
            self._note = note
            return self._newest
        raise LedgerError(f"{self._folder / layout.PUBLISHED}: not signed by {self.key.name}")

    def _read_note(self) -> bytes:
        try:
            return (self._folder / layout.PUBLISHED).read_bytes()
        except OSError as error:
            raise LedgerError(f"{self._folder / layout.PUBLISHED}: {error.strerror}") from error

    def note(self) -> bytes:
        """Return the newest durable checkpoint as the signed note it is."""
        self.checkpoint()
        return self._note

    def size(self) -> int:
        """Return how many entries are durable."""
        return self.checkpoint().size

    def wait(self, size: int, timeout: float) -> int:
        """Return the ledger's size as soon as it is above size, or after timeout seconds."""
        end = time.monotonic() + timeout
        while (now := self.size()) <= size and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_SECONDS))
        return now

    def items(self, start_index: int, limit: int) -> Iterator[LedgerItem]:
        """Yield up to limit items from start_index on; none where the ledger ends before.

        Raises:
            LedgerError: a segment is missing or damaged.
        """
        end = min(start_index + limit, self.size())
        for index in range(start_index, end):
            try:
                yield self._at(index).read()
            except (OSError, EvidenceError) as error:
                raise LedgerError(f"{self._folder}: entry {index}: {error}") from error

    def entries(self, start_index: int = 0) -> Iterator[LedgerItem]:
        """Yield every entry that is durable, from start_index on, without data and receive time.

        Raises:
            LedgerError: a segment is missing or damaged.
        """
        size, first = self.size(), start_index
        while first < size:
            count = min(size, (first // SEGMENT + 1) * SEGMENT) - first
            for index, raw in enumerate(scan.read_entries(self._folder, first, count), first):
                try:
                    found = entry.decode(raw)
                except EvidenceError as error:
                    raise LedgerError(f"{self._folder}: entry {index}: {error}") from error
                yield LedgerItem(index, found.type, found.payload, None, None)
            first += count

    def _at(self, index: int) -> _Cursor:
        cursor = self._cursor
        if cursor is None or cursor.next > index or cursor.segment != index // SEGMENT:
            self.close()
            cursor = self._cursor = _Cursor(self._folder, index // SEGMENT)
        while cursor.next < index:
            cursor.skip()
        return cursor

    def close(self) -> None:
        """Close the files that are open; the next call opens them again."""
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None
