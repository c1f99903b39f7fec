"""Sleep until a file changes, without polling: one inotify descriptor, one file."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
from pathlib import Path

_IN_MODIFY = 0x2
_IN_NONBLOCK = os.O_NONBLOCK
_IN_CLOEXEC = os.O_CLOEXEC
_POLL = 1.0


class Alarm:
    """Wakes when the file is written in place; where it cannot be watched (yet), polls once a second."""

    def __init__(self, path: Path) -> None:
        """Take the file to watch; it may not exist yet."""
        self._path = path
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        self._watching = False

    def wait(self, seconds: float, others: tuple[int, ...] = ()) -> None:
        """Return when the file was written, another descriptor is readable, or seconds are over."""
        if not self._watching and self._descriptor >= 0:
            added = self._libc.inotify_add_watch(self._descriptor, os.fsencode(self._path), _IN_MODIFY)
            self._watching = added >= 0
        if not self._watching:
            seconds = min(seconds, _POLL)
        waited = [self._descriptor] if self._descriptor >= 0 else []
        ready, _, _ = select.select([*waited, *others], [], [], max(0.0, seconds))
        if self._descriptor in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._descriptor, 65_536)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
