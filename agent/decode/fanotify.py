"""Records of a fanotify group that reports file handles and names (fanotify(7))."""

from __future__ import annotations

import struct
from collections.abc import Iterator, MutableMapping

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
RENAME = 0x10000000
ON_DIR = 0x40000000

_EVENT = struct.Struct("=IBBHQii")
_INFO = struct.Struct("=BBH")
_HANDLE = struct.Struct("=Ii")
_FIRST = struct.Struct("=IBBHQiiBBHQI")
"""A record's head, and the first information's up to the size of its handle."""

_FSID = 8
_VERSION = 3
_FID, _DFID_NAME, _DFID, _OLD, _NEW = 1, 2, 3, 10, 12
_AT = _EVENT.size + _INFO.size
"""Where the first information's file system and handle begin, in records of the usual head."""


class Raw(msgspec.Struct, frozen=True, gc=False):
    """One record: pid did mask to name in the folder that handle means.

    Handles are whole `struct file_handle`s of the filesystem fsid; object is the file's own, where the group
    reports it. Of a rename, former_handle and former_name are where it was, handle and name where it is;
    either is empty where the kernel does not tell it.
    """

    mask: int
    pid: int
    fsid: bytes = b""
    handle: bytes = b""
    name: bytes = b""
    object: bytes = b""
    former_handle: bytes = b""
    former_name: bytes = b""


def parse_fanotify(raw: bytes, skip: MutableMapping[bytes, int] | None = None) -> Iterator[Raw]:
    """Yield the records of what one read returned; what is torn or of another version ends it.

    Records of a folder whose file system and handle, joined, are in skip are only counted there: they are
    told from their first bytes. A rename told in one record is always yielded: it has two folders.
    """
    at, end = 0, len(raw)
    while at + _EVENT.size <= end:
        if at + _FIRST.size <= end:
            length, version, _, metadata, mask, _, pid, kind, _, info, _, size = _FIRST.unpack_from(raw, at)
            if (
                version == _VERSION
                and metadata == _EVENT.size
                and kind in (_DFID_NAME, _DFID)
                and _FIRST.size + size <= _EVENT.size + info <= length <= end - at
            ):
                start = at + _AT
                named = start + _FSID + _HANDLE.size + size
                key = raw[start:named]
                if skip and key in skip:
                    skip[key] += 1
                    at += length
                    continue
                if _EVENT.size + info == length:  # the usual one: told by these bytes alone
                    name = raw[named : at + length].partition(b"\0")[0]
                    yield Raw(mask, pid, key[:_FSID], key[_FSID:], name)
                    at += length
                    continue
        length, version, _, metadata, mask, _, pid = _EVENT.unpack_from(raw, at)
        if version != _VERSION or not _EVENT.size <= metadata <= length <= end - at:
            return
        yield _record(mask, pid, raw[at + metadata : at + length])
        at += length


def _record(mask: int, pid: int, infos: bytes) -> Raw:
    fsid = folder = name = thing = former = former_name = b""
    at = 0
    while at + _INFO.size <= len(infos):
        kind, _, length = _INFO.unpack_from(infos, at)
        if not _INFO.size <= length <= len(infos) - at:
            break
        found = _handle(infos[at + _INFO.size : at + length])
        if found is not None and kind in (_DFID_NAME, _DFID, _NEW):
            fsid, folder, name = found
        elif found is not None and kind == _OLD:
            fsid, former, former_name = found
        elif found is not None and kind == _FID:
            fsid, thing, _ = found
        at += length
    return Raw(mask, pid, fsid, folder, name, thing, former, former_name)


def _handle(info: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return file system, handle, and the name that follows them, if one does."""
    start = _FSID + _HANDLE.size
    if len(info) < start:
        return None
    size, _ = _HANDLE.unpack_from(info, _FSID)
    if size > len(info) - start:
        return None
    return info[:_FSID], info[_FSID : start + size], info[start + size :].split(b"\0", 1)[0]
