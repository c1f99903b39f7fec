"""One open segment: its entries file and its data file, which grow together and are cut back together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import layout
from .disk import Disk

CACHED = 32 << 20
"""Bytes of newest data left in the page cache: the pipeline reads them soon, and once. What is older would
only push out what is asked for often, and every page taken afresh costs more than one that is used again."""
_UNCACHE_STEP = 4 << 20


class Row(msgspec.Struct, frozen=True):
    """One entry to append, with its data (empty where there is none) and the time it came, UTC ns."""

    entry: bytes
    data: bytes
    received: int
    data_sha256: bytes


def row(entry: bytes, received: int, data: bytes = b"") -> Row:
    """Return a row whose data's hash is not yet known."""
    return Row(entry, data, received, layout.sha256(data))


class Segment:
    """The last segment of the ledger, open for appending."""

    def __init__(self, folder: Path, number: int, disk: Disk) -> None:
        self.number = number
        self._disk = disk
        self._entries_path = folder / layout.entries_name(number)
        self._data_path = folder / layout.data_name(number)
        self._entries = disk.open(self._entries_path)
        self._data = disk.open(self._data_path)
        self.entries_size = self._entries_path.stat().st_size
        self.data_size = self._data_path.stat().st_size
        self._uncached = 0

    def append(self, first: int, rows: Sequence[Row]) -> None:
        """Write rows, the first of which gets leaf index first; not durable before `sync`.

        Raises:
            OSError: the disk is full or failed.
        """
        entries = b"".join(layout.frame_entry(row.entry) for row in rows)
        buffers: list[bytes] = []
        for index, row in enumerate(rows, start=first):
            header = layout.frame_header(index, row.received, len(row.data), row.data_sha256)
            buffers += (header, row.data)
        data_size = self._disk.append(self._data, self.data_size, buffers)
        self.entries_size += self._disk.append(self._entries, self.entries_size, [entries])
        self.data_size += data_size

    def sync(self) -> None:
        """Make what was appended durable.

        Raises:
            OSError: the device failed; what is on it is unknown.
        """
        self._disk.sync_both(self._data, self._entries)
        self._uncache()

    def _uncache(self) -> None:
        """Let go of synced data from the page cache, a few MiB at a time, so that no group waits long."""
        old = self.data_size - CACHED - self._uncached
        if old >= _UNCACHE_STEP:
            self._disk.uncache(self._data, self._uncached, old)
            self._uncached += old

    def cut(self, entries_size: int, data_size: int) -> None:
        """Drop everything after these sizes."""
        self._disk.truncate(self._entries, entries_size)
        self._disk.truncate(self._data, data_size)
        self.entries_size, self.data_size = entries_size, data_size

    def close(self) -> None:
        """Close both files."""
        self._disk.close(self._entries)
        self._disk.close(self._data)

    def remove(self) -> None:
        """Close and delete both files: a segment that holds nothing anybody was told of."""
        self.close()
        self._disk.remove(self._data_path)
        self._disk.remove(self._entries_path)
