"""Where a feed stands in what it reads, kept over a restart.

Order: a feed returns events, they are sealed into the spool, and only then the cursor behind them is saved.
A feed is not told when its events are sealed, so a cursor is saved `lag` seconds after the read that returned
the events, which is longer than a priority event waits to be sealed. A crash therefore reads the last lines
again (at least once, the same lines with the same times); it never skips a line (R31). A clean stop seals
everything, so `close` saves the newest cursor and nothing is read twice.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

_SPACING = 1_000_000_000
_MAX_BYTES = 64 << 10


class CursorFile(Generic[T]):
    """A cursor of one type in one file, replaced atomically."""

    def __init__(self, path: Path, type_: type[T], lag: float, limit: int = _MAX_BYTES) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(type_)
        self._lag = int(lag * 1e9)
        self._limit = limit
        self._pending: deque[tuple[int, T]] = deque()
        self._newest: T | None = None
        self._saved: T | None = None

    def load(self) -> T | None:
        """Return the saved cursor; None when there is none, or none that can be read."""
        try:
            with self._path.open("rb") as file:
                self._saved = self._decoder.decode(file.read(self._limit))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return self._saved

    def offer(self, cursor: T, now: int) -> None:
        """Note that everything before cursor has been returned at now (monotonic ns).

        Raises:
            OSError: an older cursor was due and could not be saved; a later call tries again.
        """
        self._newest = cursor
        last = self._pending[-1][1] if self._pending else self._saved
        if cursor != last and (not self._pending or now - self._pending[-1][0] >= _SPACING):
            self._pending.append((now, cursor))
        settled = None
        while self._pending and now - self._pending[0][0] >= self._lag:
            settled = self._pending.popleft()[1]
        if settled is not None:
            self._save(settled)

    @property
    def pending(self) -> bool:
        """Whether a cursor waits to be saved by a later offer."""
        return self._newest is not None and self._newest != self._saved

    def close(self) -> None:
        """Save the newest cursor.

        Raises:
            OSError: it could not be saved.
        """
        if self._newest is not None:
            self._save(self._newest)

    def _save(self, cursor: T) -> None:
        if cursor == self._saved:
            return
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(cursor))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # the rename itself must survive a power cut
        finally:
            os.close(folder)
        self._saved = cursor
