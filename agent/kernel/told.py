"""The newest records that were read of a followed file: whether they still stand there, and which do not."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Literal

import msgspec

LIMIT = 64 << 10
"""Bytes of records that are remembered of one file."""
_SCAN = 4 << 20
"""Bytes at the end of an altered file that are searched for them."""

How = Literal["truncated", "rewritten", "replaced", "removed"]


class Shrink(msgspec.Struct, frozen=True):
    """A followed file that lost records other than by rotation; sizes are bytes, mono is when it was seen.

    before is up to where it was read. lost are those records that were remembered and are gone. compressed
    tells whether the deleted file's name is that of a compressed one now, as after a rotation.
    """

    path: Path
    how: How
    before: int
    inode: int
    after: int | None
    new_inode: int | None
    lost: tuple[bytes, ...]
    mono: int
    compressed: bool = False


class Told:
    """Records that follow one another in a file, each with the separator behind it."""

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._records: deque[bytes] = deque()
        self._begin = self._end = 0

    def clear(self) -> None:
        """Forget all."""
        self._records.clear()
        self._begin = self._end

    def add(self, offset: int, records: list[bytes]) -> None:
        """Remember records that begin at offset; those before are forgotten where they do not lead there."""
        if offset != self._end:
            self._records.clear()
            self._begin = self._end = offset
        width = len(self._separator)
        for record in records:
            self._records.append(record)
            self._end += len(record) + width
        while self._end - self._begin > LIMIT and self._records:
            self._begin += len(self._records.popleft()) + width

    def stand_in(self, fd: int) -> bool:
        """Return whether they are in the file where they were read."""
        expected = b"".join(record + self._separator for record in self._records)
        return os.pread(fd, len(expected), self._begin) == expected

    def records(self) -> dict[bytes, None]:
        """Return them, in order."""
        return dict.fromkeys(self._records)

    def find_last(self, fd: int, size: int, unit: int) -> tuple[int, set[bytes]]:
        """Return the offset behind the last of them in a file of that size, and which of them are in it.

        unit is the size of a record, 0 for lines; the offset is 0 if none is there.
        """
        begin = max(0, size - _SCAN)
        if unit:
            begin -= begin % unit
        content = os.pread(fd, size - begin, begin)
        pieces = (
            [content[at : at + unit] for at in range(0, len(content) - unit + 1, unit)]
            if unit
            else content.split(b"\n")[:-1]
        )
        known, found, at, last = self.records(), set(), begin, 0
        for piece in pieces:
            at += len(piece) + len(self._separator)
            if piece in known:
                found.add(piece)
                last = at
        return last, found


def tail(fd: int, end: int, unit: int) -> tuple[int, list[bytes]]:
    """Return the last whole records before end, at most LIMIT bytes, and where they begin."""
    begin = max(0, end - LIMIT)
    if unit:
        begin += -begin % unit
        piece = os.pread(fd, end - begin, begin)
        whole = len(piece) - len(piece) % unit
        return begin, [piece[at : at + unit] for at in range(0, whole, unit)]
    piece = os.pread(fd, end - begin, begin)
    if begin:
        cut = piece.find(b"\n") + 1
        begin, piece = begin + cut, piece[cut:]
    return begin, piece[: piece.rfind(b"\n") + 1].split(b"\n")[:-1]
