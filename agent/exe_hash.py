"""SHA-256 of executed files, each file read once: cached by device, inode, size, mtime and ctime.

The file is taken by its path where that surely is what was executed (unchanged since, no container's path),
else through /proc/PID/exe while the process lives. Reading is bounded in bytes a file and bytes a second, so
that a stream of large new programs cannot stop the loop; what is beyond has no hash.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable

from .token_bucket import TokenBucket

FILE_LIMIT = 64 << 20
"""Bytes; a larger file is not hashed."""
RATE = 64 << 20
"""Bytes a second."""
_KEPT = 8192
_CHUNK = 1 << 20

Key = tuple[int, int, int, int, int]


class ExeHasher:
    """Hashes of the files executed lately. clock is monotonic nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._known: OrderedDict[Key, str] = OrderedDict()
        self._bytes = TokenBucket(RATE)

    def hash(self, pid: int, exe: str | None, executed: int, *, on_host: bool) -> str | None:
        """Return the hex SHA-256 of what pid executed from exe at executed (UTC ns); None when not to be had.

        on_host says that the path is the host's own, not one of a container.
        """
        if on_host and exe is not None:
            found = self._by_path(exe, executed)
            if found is not None:
                return found
        return self._read(f"/proc/{pid}/exe", None)

    def _by_path(self, exe: str, executed: int) -> str | None:
        try:
            now = os.stat(exe)  # noqa: PTH116 - a Path would cost more than the call
        except (OSError, ValueError):
            return None
        if now.st_ctime_ns > executed:
            return None
        return self._known.get(_key(now)) or self._read(exe, executed)

    def _read(self, path: str, unchanged_since: int | None) -> str | None:
        """Return the hash of the file at path, if it is not newer than unchanged_since (UTC ns)."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode) or before.st_size > FILE_LIMIT:
                return None
            if unchanged_since is not None and before.st_ctime_ns > unchanged_since:
                return None
            known = self._known.get(_key(before))
            return known if known is not None else self._digest(descriptor, before)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _digest(self, descriptor: int, before: os.stat_result) -> str | None:
        if not self._bytes.ready(self._clock()):
            return None
        self._bytes.spend(before.st_size)
        digest, left = hashlib.sha256(), before.st_size
        while left > 0 and (part := os.read(descriptor, min(left, _CHUNK))):
            digest.update(part)
            left -= len(part)
        if _key(os.fstat(descriptor)) != _key(before) or left:
            return None
        self._known[_key(before)] = found = digest.hexdigest()
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found


def _key(of: os.stat_result) -> Key:
    return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns
