"""The state of one file as it is now, read without following links or waiting."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator
from pathlib import Path

from evidence.kinds.file import FileState
from evidence.text import to_text

from ..decode.capability import capability_text

CHUNK = 256 << 10
CONTENT_LIMIT = 256 << 10
"""Bytes of a file that are kept to tell its lines apart later."""

_CAPABILITY = "security.capability"
_XATTRS = 32
_XATTR_BYTES = 4096


class Looked:
    """A file that was read: its state, ctime, and its content where that was asked for and is small."""

    def __init__(self, state: FileState, ctime: int) -> None:
        self.state = state
        self.ctime = ctime
        self.content: bytes | None = None
        self.md5: str | None = None


def quick_state(path: bytes) -> Looked | None:
    """Return what costs one lstat; None when there is no such file."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return Looked(_from_stat(found), found.st_ctime_ns)


def read_state(path: bytes, *, hash_limit: int, keep: bool = False) -> Generator[int, None, Looked | None]:
    """Read path's state in steps; yield the bytes read in each. Returns None when there is no such file.

    sha256 stays None for a file above hash_limit bytes and for one that cannot be read.
    """
    looked = quick_state(path)
    if looked is None:
        return None
    state = looked.state
    changes: dict[str, object] = {}
    if state.type == "link":
        changes["target"] = _target(path)
    elif state.type == "file" and (state.size or 0) <= hash_limit:
        changes["sha256"] = yield from _hash(path, looked, hash_limit, keep=keep)
    xattrs = _xattrs(path)
    changes["capabilities"] = xattrs.pop(_CAPABILITY, None)
    changes["xattrs"] = xattrs or None
    looked.state = _with(state, changes)
    return looked


def _with(state: FileState, changes: dict[str, object]) -> FileState:
    fields = {name: getattr(state, name) for name in state.__struct_fields__}
    return FileState(**(fields | changes))


def _from_stat(found: os.stat_result) -> FileState:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
    return FileState(
        type=kind,
        size=found.st_size if kind == "file" else None,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime=found.st_mtime_ns,
        inode=found.st_ino,
    )


def _hash(path: bytes, looked: Looked, limit: int, *, keep: bool) -> Generator[int, None, str | None]:
    """Return the content's SHA-256; set md5, and content when it is to be kept."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    sha256, md5, kept, total = hashlib.sha256(), hashlib.md5(usedforsecurity=False), bytearray(), 0
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        while piece := os.read(fd, CHUNK):
            total += len(piece)
            if total > limit:
                return None
            sha256.update(piece)
            md5.update(piece)
            if keep and total <= CONTENT_LIMIT:
                kept += piece
            yield len(piece)
    except OSError:
        return None
    finally:
        os.close(fd)
    looked.md5 = md5.hexdigest()
    looked.content = bytes(kept) if keep and total <= CONTENT_LIMIT else None
    return sha256.hexdigest()


def _target(path: bytes) -> str | None:
    try:
        return to_text(os.fsencode(Path(os.fsdecode(path)).readlink()))[0]
    except OSError:
        return None


def _xattrs(path: bytes) -> dict[str, str]:
    """Return the extended attributes as text, hexadecimal where they are none; capabilities as getcap."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    found: dict[str, str] = {}
    for name in sorted(names)[:_XATTRS]:
        try:
            raw = os.getxattr(path, name, follow_symlinks=False)[:_XATTR_BYTES]
        except OSError:
            continue
        text = capability_text(raw) if name == _CAPABILITY else None
        found[to_text(os.fsencode(name))[0]] = text or _xattr_text(raw)
    return found


def _xattr_text(raw: bytes) -> str:
    text, escaped = to_text(raw.rstrip(b"\0"))
    return "0x" + raw.hex() if escaped or not text.isprintable() else text
