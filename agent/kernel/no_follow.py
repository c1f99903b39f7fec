"""Folders opened without following a link on the way: one swapped for a link leads nobody out of a tree."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

_OPENAT2 = 437
"""The same number on every architecture (openat2(2), Linux 5.6)."""

_AT_FDCWD = -100
_NO_MAGICLINKS, _NO_SYMLINKS = 0x2, 0x4
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MISSING = frozenset((38, 1))
"""ENOSYS of an older kernel, EPERM of a filter of system calls that does not know it."""


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_LIBC = ctypes.CDLL(None, use_errno=True)
_HOW = _How(_FLAGS, 0, _NO_SYMLINKS | _NO_MAGICLINKS)


def open_folder(path: bytes) -> int:
    """Return a descriptor of the folder at an absolute path.

    Raises:
        OSError: there is none, a link is on the way, or this user may not read it.
    """
    fd: int = _LIBC.syscall(_OPENAT2, _AT_FDCWD, path, ctypes.byref(_HOW), ctypes.sizeof(_HOW))
    if fd >= 0:
        return fd
    code = ctypes.get_errno()
    if code not in _MISSING:
        raise OSError(code, os.strerror(code), path)
    return _step_by_step(path)


def _step_by_step(path: bytes) -> int:
    at = os.open(b"/", _FLAGS)
    for name in filter(None, path.split(b"/")):
        below = at
        try:
            at = os.open(name, _FLAGS, dir_fd=below)
        finally:
            os.close(below)
    return at


def exists(path: bytes) -> bool:
    """Return whether something is at path, reached through no link."""
    return bool(present((path,)))


def present(paths: Iterable[bytes]) -> set[bytes]:
    """Return those of paths at which something is, reached through no link; each folder is opened once.

    They are the same objects, for there may be ten thousands.
    """
    folders: dict[bytes, list[bytes]] = {}
    for path in paths:
        folders.setdefault(os.path.split(path)[0], []).append(path)
    found: set[bytes] = set()
    for folder, inside in folders.items():
        try:
            fd = open_folder(folder)
        except OSError:
            continue
        try:
            found.update(path for path in inside if _is_there(fd, os.path.split(path)[1]))
        finally:
            os.close(fd)
    return found


def _is_there(folder: int, name: bytes) -> bool:
    try:
        os.stat(name or b".", dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True
