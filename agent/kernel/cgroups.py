"""From a cgroup's id, as eBPF programs see it, to its path.

On cgroup2 the id is the inode, and the file handle of a cgroup holds just that id (fs/kernfs/mount.c): so
one open_by_handle_at finds it without a walk of the tree.
"""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

_MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_PIDS = Path("/sys/fs/cgroup/pids")
_SYSTEMD = Path("/sys/fs/cgroup/systemd")
_FILEID_KERNFS = 0xFE
_KEPT = 4096


class _FileHandle(ctypes.Structure):
    """struct file_handle of linux/fcntl.h with the eight bytes that kernfs uses."""

    _fields_ = (("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("id", ctypes.c_uint64))


def cgroup2_root() -> Path | None:
    """Return where cgroup2 is mounted, alone or beside v1; None where only v1 is."""
    return next((mount for mount in _MOUNTS if (mount / "cgroup.procs").exists()), None)


def unit_processes(unit: str, mounts: tuple[Path, ...] = (*_MOUNTS, _SYSTEMD)) -> frozenset[int]:
    """Return the pids of a system service, none where there is no such unit.

    Only root can put a process into its cgroup; a unit of that name under a user's own manager is another.
    """
    for mount in mounts:
        with suppress(OSError, ValueError):
            return frozenset(map(int, (mount / "system.slice" / unit / "cgroup.procs").read_text().split()))
    return frozenset()


class Cgroups:
    """Paths of cgroup ids, the last few thousand of them kept."""

    def __init__(self) -> None:
        """Find cgroup2 and v1's pids; without a mount, or CAP_DAC_READ_SEARCH, its paths are unknown."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._known: OrderedDict[int, str | None] = OrderedDict()
        self._unified, self._pids = _opened(cgroup2_root()), _opened(_PIDS)

    def path(self, number: int) -> str | None:
        """Return the path below the cgroup2 mount (/system.slice/ssh.service); None once it is gone.

        A negative number is an id of v1's pids hierarchy.
        """
        if number in self._known:
            return self._known[number]
        found = self._known[number] = self._look_up(number)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    def close(self) -> None:
        """Close the mounts."""
        for _, descriptor in (self._unified, self._pids):
            if descriptor >= 0:
                os.close(descriptor)

    def _look_up(self, number: int) -> str | None:
        root, descriptor = self._unified if number > 0 else self._pids
        if descriptor < 0:
            return None
        handle = _FileHandle(8, _FILEID_KERNFS, abs(number))
        opened = self._libc.open_by_handle_at(
            descriptor, ctypes.byref(handle), os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
        )
        if opened < 0:
            return None
        try:
            path = _text(os.readlink(f"/proc/self/fd/{opened}".encode()))  # noqa: PTH115 - as bytes
        finally:
            os.close(opened)
        return "/" + path.removeprefix(str(root)).lstrip("/")


def _opened(root: Path | None) -> tuple[Path | None, int]:
    """Return a mount and its descriptor, -1 where there is none."""
    try:
        return root, -1 if root is None else os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return root, -1


def _text(path: bytes) -> str:
    r"""Return a path as text; bytes that are no UTF-8, which whoever may make cgroups can choose, as \xNN."""
    return path.decode("utf-8", "backslashreplace")
