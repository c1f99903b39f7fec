"""Records of a fanotify group that reports file handles and names (fanotify(7))."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

ACCESS = 0x1
MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
OPEN = 0x20
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
OVERFLOW = 0x4000
ON_DIR = 0x40000000

_EVENT = struct.Struct("=IBBHQii")
_INFO = struct.Struct("=BBH")
_HANDLE = struct.Struct("=Ii")
_FSID = 8
_VERSION = 3
_FID, _DFID_NAME, _DFID = 1, 2, 3


class Raw(msgspec.Struct, frozen=True, gc=False):
    """One record: pid did mask to name in the folder that handle means.

    Handles are whole `struct file_handle`s of the filesystem fsid; object is the file's own, where the group
    reports it.
    """

    mask: int
    pid: int
    fsid: bytes = b""
    handle: bytes = b""
    name: bytes = b""
    object: bytes = b""


def parse_fanotify(raw: bytes) -> Iterator[Raw]:
    """Yield the records of what one read returned; what is torn or of another version ends it."""
    at = 0
    while at + _EVENT.size <= len(raw):
        length, version, _, metadata, mask, _, pid = _EVENT.unpack_from(raw, at)
        if version != _VERSION or not _EVENT.size <= metadata <= length <= len(raw) - at:
            return
        yield _record(mask, pid, raw[at + metadata : at + length])
        at += length


def _record(mask: int, pid: int, infos: bytes) -> Raw:
    fsid = folder = name = thing = b""
    at = 0
    while at + _INFO.size <= len(infos):
        kind, _, length = _INFO.unpack_from(infos, at)
        if not _INFO.size <= length <= len(infos) - at:
            break
        found = _handle(infos[at + _INFO.size : at + length])
        if found is not None and kind in (_DFID_NAME, _DFID):
            fsid, folder, name = found
        elif found is not None and kind == _FID:
            fsid, thing, _ = found
        at += length
    return Raw(mask, pid, fsid, folder, name, thing)


def _handle(info: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return file system, handle, and the name that follows them, if one does."""
    start = _FSID + _HANDLE.size
    if len(info) < start:
        return None
    size, _ = _HANDLE.unpack_from(info, _FSID)
    if size > len(info) - start:
        return None
    return info[:_FSID], info[_FSID : start + size], info[start + size :].split(b"\0", 1)[0]
