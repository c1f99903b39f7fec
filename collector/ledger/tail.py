"""The growing end of the ledger: rows go into the open segment and, when that is full, into the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import layout, scan
from .disk import Disk
from .layout import SEGMENT
from .segment import Row, Segment


class Tail:
    """The last segment, and those begun since the last checkpoint."""

    def __init__(self, folder: Path, size: int, disk: Disk) -> None:
        """Open the segment that entry number size goes to, and cut off whatever lies beyond size.

        Raises:
            LedgerError: entries or data that size covers are missing.
        """
        self._folder = folder
        self._disk = disk
        number, count = divmod(size, SEGMENT)
        self._remove_from(number if count == 0 else number + 1)
        self._open: list[Segment] = []
        if count:
            entries_size = scan.entries_end(folder / layout.entries_name(number), count)
            data_size = scan.data_end(folder / layout.data_name(number), size - count, count)
            last = Segment(folder, number, disk)
            last.cut(entries_size, data_size)
            self._open.append(last)
        self._mark()

    def _remove_from(self, number: int) -> None:
        for name in (layout.data_name, layout.entries_name):
            for path in sorted((self._folder / name(0)).parent.iterdir()):
                if path.name.isdecimal() and int(path.name) >= number:
                    self._disk.remove(path)

    def _mark(self) -> None:
        last = self._open[-1] if self._open else None
        self._durable = (last.entries_size, last.data_size) if last else (0, 0)
        self._kept = len(self._open)

    def write(self, first: int, rows: Sequence[Row]) -> None:
        """Write rows from leaf index first on; not durable before `sync`.

        Raises:
            OSError: the disk is full or failed; `take_back` undoes what was written.
        """
        at = 0
        while at < len(rows):
            number, used = divmod(first + at, SEGMENT)
            if not self._open or self._open[-1].number != number:
                self._open.append(Segment(self._folder, number, self._disk))
            part = rows[at : at + SEGMENT - used]
            self._open[-1].append(first + at, part)
            at += len(part)

    def sync(self) -> None:
        """Make what was written durable; full segments are closed.

        Raises:
            OSError: the device failed.
        """
        for segment in self._open:
            segment.sync()
        for segment in self._open[:-1]:
            segment.close()
        del self._open[:-1]
        self._mark()

    def take_back(self) -> None:
        """Undo what was written since the last `sync`.

        Raises:
            OSError: the device failed.
        """
        for segment in self._open[self._kept :]:
            segment.remove()
        del self._open[self._kept :]
        if self._open:
            self._open[-1].cut(*self._durable)

    def close(self) -> None:
        """Close the open segments."""
        for segment in self._open:
            segment.close()
