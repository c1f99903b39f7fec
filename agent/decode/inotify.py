"""Notices of inotify (inotify(7)): a watch, what happened, and the name in the watched folder."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

_HEADER = struct.Struct("=iIII")

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
OVERFLOW, IGNORED = 0x4000, 0x8000
ONLYDIR = 0x1000000


class Notice(msgspec.Struct, frozen=True, gc=False):
    """Something happened in the folder of a watch; name is empty where it happened to the folder itself."""

    watch: int
    mask: int
    name: bytes


def parse(raw: bytes) -> Iterator[Notice]:
    """Yield the notices of one read; a cut one at the end is left out."""
    at = 0
    while at + _HEADER.size <= len(raw):
        watch, mask, _, length = _HEADER.unpack_from(raw, at)
        at += _HEADER.size
        if at + length > len(raw):
            return
        yield Notice(watch, mask, raw[at : at + length].split(b"\0", 1)[0])
        at += length
