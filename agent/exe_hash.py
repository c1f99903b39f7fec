"""SHA-256 of executed files, each file read once: cached by device, inode, size, mtime and ctime.

What the kernel said of the executed file is the key: a known one costs no system call. An unknown one is
read through /proc/PID/exe while the process lives, else by its path, on the host or in its parent's root, if
what is found there has the size and times of what was executed. A rung that has no word of the kernel takes
the path where that surely is what was executed (unchanged since, no container's path), else /proc/PID/exe.
Reading is bounded in bytes a file and bytes a second, so that a stream of large new programs cannot stop the
loop; what is beyond has no hash.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Callable
from typing import TypeVar

from .token_bucket import TokenBucket

FILE_LIMIT = 64 << 20
"""Bytes; a larger file is not hashed."""
RATE = 64 << 20
"""Bytes a second."""
_KEPT = 8192
_CHUNK = 1 << 20

_AGAIN = 1_000_000_000
"""Nanoseconds for which a file that could not be read is not tried again."""
_CONTENT = struct.Struct("=QQQQQ")
"""struct content of kernel/bpf/exec.bpf.c: device, inode, size, mtime and ctime in ns."""

Key = tuple[int, int, int, int, int]
K = TypeVar("K")
V = TypeVar("V")


class ExeHasher:
    """Hashes of the files executed lately. clock is monotonic nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._known: dict[Key, str] = {}
        self._contents: dict[bytes, str] = {}
        self._failed: dict[bytes, int] = {}
        self._bytes = TokenBucket(RATE)

    def of_content(self, content: bytes, pid: int, ppid: int | None, exe: str | None) -> str | None:
        """Return the hex SHA-256 of what pid executed; None when not to be had.

        content is struct content of kernel/bpf/exec.bpf.c; exe the path as the process sees it.
        """
        found = self._contents.get(content)
        if found is not None:
            return found
        size = _CONTENT.unpack(content)[2]
        now = self._clock()
        if size > FILE_LIMIT or now - self._failed.get(content, -_AGAIN) < _AGAIN:
            return None
        places = [f"/proc/{pid}/exe"]
        if exe is not None:
            places += [exe] if ppid is None else [exe, f"/proc/{ppid}/root{exe}"]
        found = next((one for place in places if (one := self._read_content(place, content))), None)
        _keep(self._contents, content, found) if found else _keep(self._failed, content, now)
        return found

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
        return self._read_if(
            path, lambda found: unchanged_since is None or found.st_ctime_ns <= unchanged_since
        )

    def _read_content(self, path: str, content: bytes) -> str | None:
        """Return the hash of the file at path, if it is as large and as old as content.

        Device and inode do not count: on overlayfs and btrfs a stat shows others than the kernel keeps.
        """
        wanted = _CONTENT.unpack(content)[2:]
        return self._read_if(
            path, lambda found: (found.st_size, found.st_mtime_ns, found.st_ctime_ns) == wanted
        )

    def _read_if(self, path: str, accept: Callable[[os.stat_result], bool]) -> str | None:
        """Return the hash of the regular file at path, if its state is accepted."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode) or before.st_size > FILE_LIMIT or not accept(before):
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
        found = digest.hexdigest()
        _keep(self._known, _key(before), found)
        return found


def _keep(table: dict[K, V], key: K, value: V) -> None:
    """Remember value, and forget the oldest beyond the limit."""
    table[key] = value
    if len(table) > _KEPT:
        del table[next(iter(table))]


def _key(of: os.stat_result) -> Key:
    return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns
