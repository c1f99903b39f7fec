"""The host's path of a program that a container executed, while the container's mounts can be read.

Mount tables are kept for each mount namespace, and what was found for each path in it: a container executes
the same few programs again and again.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from evidence.text import to_text

from ..decode.mountinfo import Mount, host_paths, parse_mountinfo

_MOUNTINFO = 1 << 20
"""Bytes of a mountinfo file that are read."""
_NAMESPACES, _PATHS = 256, 4096
_FRESH = 10_000_000_000
"""Nanoseconds for which a mount table and what was found by it hold."""

K = TypeVar("K")
V = TypeVar("V")


class HostPaths:
    """Host paths by pid and path. clock is monotonic nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._own = _namespace("self")
        self._mounts: OrderedDict[str, tuple[int, tuple[Mount, ...]]] = OrderedDict()
        self._found: OrderedDict[tuple[str, str], tuple[int, str | None]] = OrderedDict()

    def find(self, pid: int, exe: str) -> str | None:
        """Return the host's path of exe as pid sees it; None in our own namespace, or where it is unknown."""
        namespace = _namespace(str(pid))
        if namespace is None or self._own is None or namespace == self._own:
            return None
        now, key = self._clock(), (namespace, exe)
        known = self._found.get(key)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        inside = self._table(str(pid), namespace, now)
        host = self._table("self", self._own, now)
        candidates = host_paths(os.fsencode(exe), host, inside)
        path = next((to_text(one)[0] for one in candidates if _is_file(one)), None)
        if inside:
            _keep(self._found, key, (now, path), _PATHS)
        return path

    def _table(self, pid: str, namespace: str, now: int) -> tuple[Mount, ...]:
        known = self._mounts.get(namespace)
        if known is not None and now - known[0] < _FRESH:
            return known[1]
        found = parse_mountinfo(_read(f"/proc/{pid}/mountinfo"))
        if found:
            _keep(self._mounts, namespace, (now, found), _NAMESPACES)
        return found


def _keep(table: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > limit:
        table.popitem(last=False)


def _namespace(pid: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")  # noqa: PTH115 - for each exec of a container
    except OSError:
        return None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            return file.read(_MOUNTINFO)
    except OSError:
        return b""


def _is_file(path: bytes) -> bool:
    """Return whether a layer has it; a whiteout, which hides what is below, is a device."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False
