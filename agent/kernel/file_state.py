"""The state of one file as it is now, by its folder's descriptor: no link is followed, nothing waits."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator, Iterable

from evidence.kinds.file import FileState
from evidence.text import to_text

from ..decode.capability import capability_text

CHUNK = 256 << 10
CONTENT_LIMIT = 256 << 10
"""Bytes of a file that are kept to tell its lines apart later."""

_AHEAD = 64 << 10
"""Bytes of each file that are read ahead; of a longer one the kernel reads ahead by itself."""

_CAPABILITY = "security.capability"
_XATTRS = 32
_XATTR_BYTES = 4096
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Looked:
    """A file that was looked at: its state, ctime, its content where that was asked for and is small."""

    __slots__ = ("content", "ctime", "md5", "read", "state")

    def __init__(self, state: FileState, ctime: int) -> None:
        self.state = state
        self.ctime = ctime
        self.content: bytes | None = None
        self.md5: str | None = None
        self.read = 0
        """Bytes read of it that no step has told."""


class Wanted:
    """What is to be read: the SHA-256 of files up to hash_limit, and more of them where it is set."""

    __slots__ = ("hash_limit", "keep", "md5")

    def __init__(self, hash_limit: int, *, keep: bool = False, md5: bool = False) -> None:
        self.hash_limit = hash_limit
        self.keep = keep
        self.md5 = md5


def quick_state(folder: int, name: bytes) -> Looked | None:
    """Return what costs one call; None when there is no such file."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return _plain(found)


def read_state(folder: int, name: bytes, wanted: Wanted) -> Generator[int, None, Looked | None]:
    """Read a file's state in steps of a chunk; yield its bytes. Returns None when there is no such file.

    sha256 stays None for a file above the limit and for one that cannot be read.
    """
    looked = quick_state(folder, name)
    if looked is not None and looked.state.type == "file":
        return (yield from read_regular(folder, name, wanted)) or looked
    if looked is not None:
        path = b"/proc/self/fd/%d/%s" % (folder, name)
        target = _target(folder, name) if looked.state.type == "link" else None
        looked.state = _whole(looked.state, None, target, _xattrs(path))
    return looked


def read_regular(folder: int, name: bytes, wanted: Wanted) -> Generator[int, None, Looked | None]:
    """Read what was a regular file a moment ago as `read_state` does, with one open and one stat.

    Returns None when it cannot be opened or is something else by now.
    """
    fd = _opened(folder, name)
    if fd is None:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return None
        looked = _plain(found)
        sha256 = None
        if found.st_size <= wanted.hash_limit:
            sha256 = yield from _hash(fd, found.st_size, looked, wanted)
        looked.state = _whole(looked.state, sha256, None, _xattrs(fd))
        return looked
    finally:
        os.close(fd)


def read_ahead(folder: int, names: Iterable[bytes]) -> None:
    """Let the kernel fetch the beginnings of files together: to wait for each costs more than to read it."""
    for name in names:
        fd = _opened(folder, name)
        if fd is not None:
            try:
                os.posix_fadvise(fd, 0, _AHEAD, os.POSIX_FADV_WILLNEED)
            except OSError:
                return  # this filesystem cannot
            finally:
                os.close(fd)


def _opened(folder: int, name: bytes) -> int | None:
    """Open without touching the time of access, where that is allowed: that would be a write each."""
    try:
        return os.open(name, _OPEN | os.O_NOATIME, dir_fd=folder)
    except PermissionError:
        pass
    except OSError:
        return None
    try:
        return os.open(name, _OPEN, dir_fd=folder)
    except OSError:
        return None


def _plain(found: os.stat_result) -> Looked:
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    state = FileState(
        type=kind,
        size=found.st_size if kind == "file" else None,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime=found.st_mtime_ns,
        inode=found.st_ino,
    )
    return Looked(state, found.st_ctime_ns)


def _whole(state: FileState, sha256: str | None, target: str | None, xattrs: dict[str, str]) -> FileState:
    """Return state with what took more than a stat to learn."""
    if sha256 is None and target is None and not xattrs:
        return state
    return FileState(
        type=state.type,
        size=state.size,
        sha256=sha256,
        mode=state.mode,
        uid=state.uid,
        gid=state.gid,
        mtime=state.mtime,
        inode=state.inode,
        target=target,
        capabilities=xattrs.pop(_CAPABILITY, None),
        xattrs=xattrs or None,
    )


def _hash(fd: int, size: int, looked: Looked, wanted: Wanted) -> Generator[int, None, str | None]:
    """Return the content's SHA-256; set md5, and content when it is to be kept.

    A read asks for one byte more than is expected, so that a small file takes one: what comes is all of it.
    """
    sha256, kept, total = hashlib.sha256(), bytearray(), 0
    md5 = hashlib.md5(usedforsecurity=False) if wanted.md5 else None
    ask = min(CHUNK, size + 1)
    try:
        while piece := os.read(fd, ask):
            total += len(piece)
            if total > wanted.hash_limit:
                return None
            sha256.update(piece)
            if md5 is not None:
                md5.update(piece)
            if wanted.keep and total <= CONTENT_LIMIT:
                kept += piece
            if len(piece) < ask and total >= size:
                looked.read = len(piece)
                break
            yield len(piece)
            ask = CHUNK
    except OSError:
        return None
    looked.md5 = md5.hexdigest() if md5 is not None else None
    looked.content = bytes(kept) if wanted.keep and total <= CONTENT_LIMIT else None
    return sha256.hexdigest()


def _target(folder: int, name: bytes) -> str | None:
    try:
        return to_text(os.readlink(name, dir_fd=folder))[0]
    except OSError:
        return None


def _xattrs(of: int | bytes) -> dict[str, str]:
    """Return the extended attributes as text, hexadecimal where they are none; capabilities as getcap."""
    follow = isinstance(of, int)
    try:
        names = os.listxattr(of, follow_symlinks=follow)
    except OSError:
        return {}
    found: dict[str, str] = {}
    for name in sorted(names)[:_XATTRS]:
        try:
            raw = os.getxattr(of, name, follow_symlinks=follow)[:_XATTR_BYTES]
        except OSError:
            continue
        text = capability_text(raw) if name == _CAPABILITY else None
        found[to_text(os.fsencode(name))[0]] = text or _xattr_text(raw)
    return found


def _xattr_text(raw: bytes) -> str:
    text, escaped = to_text(raw.rstrip(b"\0"))
    return "0x" + raw.hex() if escaped or not text.isprintable() else text
