"""Room for requests: how many and how many bytes are being received or wait for the disk, and free disk."""

from __future__ import annotations

import os
from pathlib import Path

from evidence.refusal import Code

from ..clock import Clock
from ..errors import Refused

_BUSY_SECONDS = 2.0
_FULL_SECONDS = 30.0
_LOOK_SECONDS = 0.5


class Admission:
    """Lets a request in before its body is read, or says when to come again."""

    def __init__(self, batches: int, size: int) -> None:
        """Take the bounds: requests, and bytes of their bodies."""
        self._batches = batches
        self._size = size
        self._now_batches = 0
        self._now_size = 0

    def enter(self, size: int) -> None:
        """Hold room for a request of size bytes, until `leave` with the same size.

        Raises:
            Refused: overloaded; there is no room.
        """
        if self._now_batches >= self._batches or self._now_size + size > self._size:
            raise Refused(Code.OVERLOADED, "too many batches wait for the disk", _BUSY_SECONDS)
        self._now_batches += 1
        self._now_size += size

    def leave(self, size: int) -> None:
        """Give up a request's room."""
        self._now_batches -= 1
        self._now_size -= size


class DiskFloor:
    """Free space that ingest leaves to everything else on the ledger's disk."""

    def __init__(self, folder: Path, floor: int, clock: Clock) -> None:
        self._folder = folder
        self._floor = floor
        self._clock = clock
        self._looked = float("-inf")
        self._free = 0

    def check(self) -> None:
        """Look at most twice a second.

        Raises:
            Refused: disk_full.
        """
        now = self._clock.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            found = os.statvfs(self._folder)
            self._free = found.f_bavail * found.f_frsize
            self._looked = now
        if self._free < self._floor:
            raise Refused(Code.DISK_FULL, "the collector's disk is at its floor", _FULL_SECONDS)
