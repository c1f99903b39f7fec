"""Read /proc/PID: every file through one descriptor of its folder, so that a reused pid is never mixed in."""

from __future__ import annotations

import os
from collections.abc import Collection, Container

from ..decode.proc_files import FILES, LINKS, Snapshot, Stat, parse_snapshot, parse_stat

_PROC = "/proc"
_LIMIT = 64 << 10
"""Bytes of a file that are read; an argv or environment beyond it is cut."""


def read_process(pid: int, *, before: int | None = None, names: Container[str] = ()) -> Snapshot | None:
    """Return the process as its files show it now; None when it is gone.

    A process that started after `before` (CLOCK_BOOTTIME ns) is another one with the same pid: None.
    names are the environment variables that may be taken.
    """
    try:
        folder = os.open(f"{_PROC}/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = {name: raw for name in FILES if (raw := _file(name, folder)) is not None}
        found |= {name: raw for name in LINKS if (raw := _link(name, folder)) is not None}
        snapshot = parse_snapshot(found, names, _parent(folder))
    except ValueError:
        return None
    finally:
        os.close(folder)
    return None if before is not None and snapshot.start > before else snapshot


def _parent(folder: int) -> Stat | None:
    """Return the parent of the process behind folder; None unless it still is the parent once it was read."""
    before = parse_stat(_file("stat", folder) or b"")
    try:
        above = os.open(f"{_PROC}/{before.ppid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parent = parse_stat(_file("stat", above) or b"")
    except ValueError:
        return None
    finally:
        os.close(above)
    after = parse_stat(_file("stat", folder) or b"")
    return parent if after.ppid == parent.pid else None


def socket_owners(inodes: Collection[int], limit: int) -> dict[int, int]:
    """Return pid by socket inode, for as many of inodes as limit descriptors of all processes show.

    A socket that several processes hold goes to the highest pid: who accepts and forks passes it on.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, int] = {}
    for pid in sorted((int(name) for name in _names(_PROC) if name.isdigit()), reverse=True):
        folder = f"{_PROC}/{pid}/fd"
        for name in _names(folder):
            limit -= 1
            target = _target(f"{folder}/{name}")
            if target in wanted:
                owners.setdefault(wanted[target], pid)
        if limit <= 0 or len(owners) == len(wanted):
            break
    return owners


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone, of folders with thousands
    except OSError:
        return []


def _target(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - thousands in a row
    except OSError:
        return ""


def _file(name: str, folder: int) -> bytes | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    try:
        parts: list[bytes] = []
        left = _LIMIT
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _link(name: str, folder: int) -> bytes | None:
    try:
        return os.readlink(os.fsencode(name), dir_fd=folder)
    except OSError:
        return None
