"""What /proc tells of a process that wrote or read a file: whether it lives, and where the file is for it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..decode.mountinfo import Mount, container_path, parse_mountinfo

_MOUNTINFO = 1 << 20
"""Bytes of a mountinfo file that are read."""

_EVERY = 10_000_000_000
"""Nanoseconds for which the host's own mounts hold."""

_NAMESPACES = 64
"""Mount namespaces that are remembered, each for as long."""


class Writers:
    """Looks at processes by pid; mount tables are remembered for some seconds."""

    def __init__(self) -> None:
        self._own = _namespace("self")
        self._mounts: dict[str, tuple[int, tuple[Mount, ...]]] = {}

    def namespace(self, pid: int) -> str | None:
        """Return the mount namespace of a process; None when it has gone."""
        return _namespace(str(pid))

    def container_path(self, path: bytes, pid: int, namespace: str, mono: int) -> bytes | None:
        """Return path as that process's mount namespace shows it; None in our own, or where it does not."""
        if self._own is None or namespace in (self._own, ""):
            return None
        return container_path(path, self._of("self", self._own, mono), self._of(str(pid), namespace, mono))

    def _of(self, pid: str, namespace: str, mono: int) -> tuple[Mount, ...]:
        known = self._mounts.get(namespace)
        if known is not None and mono - known[0] < _EVERY:
            return known[1]
        found: tuple[Mount, ...] = ()
        with suppress(OSError), Path(f"/proc/{pid}/mountinfo").open("rb") as file:
            found = parse_mountinfo(file.read(_MOUNTINFO))
        if len(self._mounts) >= _NAMESPACES:
            self._mounts.clear()
        self._mounts[namespace] = mono, found
        return found


def _namespace(pid: str) -> str | None:
    """Return the name of pid's mount namespace, empty where we may not know it; None when pid is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    except PermissionError:
        return ""
    except OSError:
        return None
