"""Every step that must survive a power cut, each with its reason. Tests crash between any two of them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import LedgerError

_IOV_MAX = 1024


class Disk:
    """The file system as the ledger uses it."""

    def __init__(self) -> None:
        self._beside = ThreadPoolExecutor(1, "ledger-sync")

    def make_folder(self, path: Path) -> None:
        """Create a folder and make its name durable; a name lives in the parent's data, so that is synced."""
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sync_folder(path.parent)

    def lock(self, path: Path) -> int:
        """Take the exclusive lock that marks the one owner; the kernel drops it when the owner dies.

        Raises:
            LedgerError: another process holds it.
        """
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise LedgerError(f"{path.parent}: the ledger is in use by a running collector") from error
        return file

    def open(self, path: Path) -> int:
        """Open a file for reading and writing, created 0600; a new name is durable before it is used."""
        known = path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not known:
            self.sync_folder(path.parent)
        return file

    def close(self, file: int) -> None:
        """Close a file; nothing is promised by it."""
        os.close(file)

    def append(self, file: int, offset: int, buffers: Sequence[bytes]) -> int:
        """Write buffers from offset on and return their length.

        A full disk shows as a short write without an error: then the rest is tried, and that raises.

        Raises:
            OSError: not all could be written.
        """
        start = offset
        for first in range(0, len(buffers), _IOV_MAX):
            part = buffers[first : first + _IOV_MAX]
            wanted = sum(map(len, part))
            written = os.pwritev(file, part, offset)
            if written < wanted:
                rest = memoryview(b"".join(part))[written:]
                while rest:
                    count = os.pwrite(file, rest, offset + written)
                    written, rest = written + count, rest[count:]
            offset += wanted
        return offset - start

    def overwrite(self, file: int, offset: int, block: bytes) -> None:
        """Write over bytes that are allocated already: this cannot fail for want of space.

        Raises:
            OSError: the device failed.
        """
        if os.pwrite(file, block, offset) != len(block):
            raise OSError("short write over allocated bytes")

    def sync(self, file: int) -> None:
        """Make a file's bytes and size durable; after a failure what the kernel keeps is unknown.

        Raises:
            OSError: the device failed.
        """
        os.fdatasync(file)

    def sync_both(self, one: int, other: int) -> None:
        """Make two files durable at the same time, so that they may share one commit of the file system.

        Raises:
            OSError: the device failed for one of them.
        """
        beside = self._beside.submit(self.sync, other)
        try:
            self.sync(one)
        finally:
            beside.result()

    def uncache(self, file: int, offset: int, length: int) -> None:
        """Tell the kernel that these bytes, once synced, need not stay in memory: a hint, no promise."""
        os.posix_fadvise(file, offset, length, os.POSIX_FADV_DONTNEED)

    def truncate(self, file: int, size: int) -> None:
        """Cut a file back, to drop what nobody was told of."""
        os.ftruncate(file, size)

    def replace(self, path: Path, content: bytes) -> None:
        """Write a whole file: new name, sync, rename, sync the folder. A reader sees the old or the new."""
        draft = path.with_name(path.name + ".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self.append(file, 0, [content])
            os.fsync(file)
        finally:
            os.close(file)
        draft.replace(path)
        self.sync_folder(path.parent)

    def publish(self, path: Path, content: bytes) -> None:
        """As `replace`, without waiting for the device: for what can be computed again."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        draft.write_bytes(content)
        draft.replace(path)

    def remove(self, path: Path) -> None:
        """Delete a file and make that durable."""
        path.unlink(missing_ok=True)
        self.sync_folder(path.parent)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
