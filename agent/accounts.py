"""Account names by uid, from the passwd file alone: a directory service may hang, and the watch must not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .decode.passwd import names_by_uid

PASSWD = Path("/etc/passwd")
_LIMIT = 4 << 20
_FRESH = 1_000_000_000
"""Nanoseconds for which the names that are known are not doubted."""


class Accounts:
    """The passwd file, read anew when it changed. clock is monotonic nanoseconds."""

    def __init__(self, path: Path = PASSWD, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._path = path
        self._clock = clock
        self._looked: int | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._names: dict[int, str] = {}

    def name(self, uid: int) -> str | None:
        """Return the account's name; None where the file does not have it or cannot be read."""
        now = self._clock()
        if self._looked is None or now - self._looked >= _FRESH or uid not in self._names:
            self._looked = now
            self._look()
        return self._names.get(uid)

    def _look(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp != self._stamp:
                with self._path.open("rb") as file:
                    self._names = names_by_uid(file.read(_LIMIT))
                self._stamp = stamp
        except OSError:
            self._names, self._stamp = {}, None
