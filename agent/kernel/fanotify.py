"""fanotify through ctypes: groups that report handles and names, their marks, and paths from handles."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from ..errors import RungUnavailable

_CLOEXEC, _NONBLOCK = 0x1, 0x2
_UNLIMITED_MARKS = 0x20
_REPORT_FID, _REPORT_DIR_FID, _REPORT_NAME = 0x200, 0x400, 0x800
_MARK_ADD, _MARK_DONT_FOLLOW, _MARK_FILESYSTEM = 0x1, 0x4, 0x100
_MARK_FLUSH = 0x80
_MARK_IGNORE = 0x400 | 0x40 | 0x200
"""FAN_MARK_IGNORE_SURV, evictable: it holds while files change, and pins no inode (Linux 6.0)."""
_ON_CHILD = 0x08000000
_AT_FDCWD = -100
_HANDLE_BYTES = 128
_READ = 64 << 10
READS = 64
"""Reads of one drain: 4 MiB, about 50,000 records."""

_FIX = "give the unit CAP_SYS_ADMIN, or watch fewer trees"


class Group:
    """One fanotify group that does not block."""

    def __init__(self, *, objects: bool = False) -> None:
        """Open the group; with objects its records name the file itself besides its folder.

        Raises:
            RungUnavailable: this kernel has no such groups (before 5.9), or we may not have one.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._mark = self._libc.fanotify_mark
        self._mark.argtypes = [
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint64,
            ctypes.c_int,
            ctypes.c_char_p,
        ]
        flags = _CLOEXEC | _NONBLOCK | _REPORT_DIR_FID | _REPORT_NAME | (_REPORT_FID if objects else 0)
        init = self._libc.fanotify_init
        self.fd: int = init(flags | _UNLIMITED_MARKS, os.O_RDONLY | os.O_CLOEXEC)
        if self.fd < 0:
            self.fd = init(flags, os.O_RDONLY | os.O_CLOEXEC)
        if self.fd < 0:
            raise RungUnavailable(f"fanotify_init: {os.strerror(ctypes.get_errno())}", _FIX)

    def mark_filesystem(self, path: bytes, mask: int) -> None:
        """See mask everywhere on path's filesystem.

        Raises:
            OSError: not permitted, or not on this filesystem.
        """
        self._change(_MARK_ADD | _MARK_FILESYSTEM, mask, path)

    def mark(self, path: bytes, mask: int, *, children: bool = False) -> None:
        """See mask on one file, or on a folder and (children) what is directly in it.

        Raises:
            OSError: path is gone, or there are too many marks.
        """
        self._change(_MARK_ADD | _MARK_DONT_FOLLOW, mask | (_ON_CHILD if children else 0), path)

    def ignore(self, folder: int, mask: int) -> None:
        """See no more of mask directly in folder (a descriptor), whatever else is marked.

        Raises:
            OSError: this kernel cannot (before 6.0), or there are too many marks.
        """
        self._change(_MARK_ADD | _MARK_IGNORE, mask | _ON_CHILD, b"/proc/self/fd/%d" % folder)

    def see_ignored(self) -> None:
        """Forget all marks of single folders and files, those that `ignore` made among them."""
        self._flush(0)

    def unmark_filesystems(self) -> None:
        """Forget all marks of filesystems."""
        self._flush(_MARK_FILESYSTEM)

    def read(self, most: int = READS) -> Iterator[bytes]:
        """Yield what is queued, a piece for each read; after `most` of them there may be more."""
        for _ in range(most):
            try:
                yield os.read(self.fd, _READ)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Close the group; its marks go with it."""
        os.close(self.fd)

    def _flush(self, of: int) -> None:
        self._mark(self.fd, _MARK_FLUSH | of, 0, _AT_FDCWD, b"/")

    def _change(self, flags: int, mask: int, path: bytes) -> None:
        if self._mark(self.fd, flags, mask, _AT_FDCWD, path) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), os.fsdecode(path))


class Handles:
    """Handles of paths, and paths of handles, on the filesystems that were named."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._open = libc.open_by_handle_at
        self._name = libc.name_to_handle_at
        self._mounts: dict[bytes, int] = {}
        self._remembered: dict[tuple[bytes, bytes], bytes] = {}

    def add_filesystem(self, path: Path) -> None:
        """Make handles of path's filesystem resolvable."""
        fsid = _fsid(path)
        if fsid not in self._mounts:
            self._mounts[fsid] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def of(self, path: Path) -> tuple[bytes, bytes]:
        """Return (fsid, handle) of path, not following a link.

        Raises:
            OSError: path is gone, or its filesystem has no handles.
        """
        buffer = ctypes.create_string_buffer(struct.pack("=Ii", _HANDLE_BYTES, 0), 8 + _HANDLE_BYTES)
        mount = ctypes.c_int()
        if self._name(_AT_FDCWD, os.fsencode(path), buffer, ctypes.byref(mount), 0) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
        (size,) = struct.unpack_from("=I", buffer.raw)
        return _fsid(path), buffer.raw[: 8 + size]

    def remember(self, folder: Path) -> None:
        """Keep a folder's path where its handle does not open: that needs CAP_DAC_READ_SEARCH.

        Raises:
            OSError: as `of`.
        """
        key = self.of(folder)
        if self._opened(*key) is None:
            self._remembered[key] = os.fsencode(folder)

    def folder(self, fsid: bytes, handle: bytes) -> bytes | None:
        """Return the path that a folder now has; None when it is gone or of another filesystem."""
        return self._opened(fsid, handle) or self._remembered.get((fsid, handle))

    def open(self, fsid: bytes, handle: bytes) -> int | None:
        """Return a descriptor of the folder that may only be named (O_PATH); None as for `folder`."""
        mount = self._mounts.get(fsid)
        if mount is None:
            return None
        fd: int = self._open(
            mount, ctypes.create_string_buffer(handle, len(handle)), os.O_PATH | os.O_CLOEXEC
        )
        return fd if fd >= 0 else None

    def _opened(self, fsid: bytes, handle: bytes) -> bytes | None:
        fd = self.open(fsid, handle)
        if fd is None:
            return None
        try:
            path = os.fsencode(Path(f"/proc/self/fd/{fd}").readlink())
        except OSError:
            return None
        finally:
            os.close(fd)
        return None if path.endswith(b" (deleted)") else path

    def close(self) -> None:
        """Give the filesystems back."""
        for fd in self._mounts.values():
            os.close(fd)
        self._mounts.clear()
        self._remembered.clear()


def _fsid(path: Path) -> bytes:
    return struct.pack("=Q", os.statvfs(path).f_fsid)
