"""The programs that the settings want left out, as the files they are now.

A path alone is no proof: whoever can write to it, or to a folder above it, could put any program there. So a
file counts only where root alone can change it, and as its content: device, inode, size and times, as struct
content of kernel/bpf/content.h. One that is changed, replaced or copied is told again.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import msgspec

_CONTENT = struct.Struct("=QQQQQ")
SIZE = _CONTENT.size
MOST = 1000
"""Programs that count, as the kernel's table holds 1,024."""
_MINOR_BITS = 20


class Found(msgspec.Struct, frozen=True):
    """The contents of a pattern's files, and why others do not count."""

    contents: tuple[bytes, ...]
    refused: tuple[str, ...]


def find(pattern: str, root: int = 0) -> Found:
    """Return what a path or pattern stands for; root is the uid that alone may change it."""
    contents: list[bytes] = []
    refused: list[str] = []
    for path in files(pattern):
        try:
            found = path.stat()
            changeable = _changeable(path, root)
        except OSError as error:
            refused.append(f"{path}: {error.strerror}")
            continue
        if changeable is not None:
            refused.append(f"{changeable}: not root alone can change it")
        elif stat.S_ISREG(found.st_mode) and found.st_mode & 0o111:
            contents.append(content(found))
    if not contents and not refused:
        refused.append(f"{pattern}: no such program")
    return Found(tuple(contents), tuple(refused))


def files(pattern: str) -> tuple[Path, ...]:
    """Return the files that a path or pattern stands for, links resolved."""
    return tuple(name.resolve() for name in sorted(Path("/").glob(pattern.lstrip("/")))[:MOST])


def content(of: os.stat_result) -> bytes:
    """Return struct content of a file; the device as the kernel numbers it."""
    device = os.major(of.st_dev) << _MINOR_BITS | os.minor(of.st_dev)
    return _CONTENT.pack(device, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns)


def _changeable(path: Path, root: int) -> Path | None:
    """Return which of a path and the folders above it somebody but root can change; None if none."""
    for each in (path, *path.parents):
        found = each.stat()
        others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if found.st_uid != root or others:
            return each
    return None
