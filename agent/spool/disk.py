"""Every durable-write step of the agent, behind one small interface so that tests can fail each of them."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """What the spool asks of a file system. Every method raises OSError where the disk does not obey."""

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in folder; none if it does not exist."""
        ...

    def size(self, path: Path) -> int | None:
        """Return the length of a regular file, None if there is none."""
        ...

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Return up to length bytes from offset; links are not followed."""
        ...

    def append(self, path: Path, data: bytes) -> int:
        """Add data to the end (the file is made if missing) and return how many bytes were taken."""
        ...

    def write(self, path: Path, offset: int, data: bytes) -> int:
        """Write data in place (the file is made if missing) and return how many bytes were taken."""
        ...

    def sync(self, path: Path) -> None:
        """Return when the file's bytes and length are durable."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the folder's names are durable."""
        ...

    def truncate(self, path: Path, size: int) -> None:
        """Cut the file to size."""
        ...

    def replace(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Put data in place of the file's content: a reader sees the old or the new, never a mixture."""
        ...

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, over one that may exist."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file; one that does not exist is as good as deleted."""
        ...

    def free(self, folder: Path) -> int:
        """Return the bytes an unprivileged process could still write."""
        ...


class LocalDisk:
    """The real file system. Files get `mode` exactly, whatever the umask; folders carry the group."""

    def __init__(self, mode: int = 0o640) -> None:
        """Take the mode of files made here."""
        self._mode = mode

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in folder."""
        try:
            return sorted(path.name for path in folder.iterdir())
        except FileNotFoundError:
            return []

    def size(self, path: Path) -> int | None:
        """Return the length of a regular file."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Read without following a link or waiting on a pipe."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{path}: not a regular file")
            file.seek(offset)
            parts: list[bytes] = []
            while length > 0 and (part := file.read(length)):
                parts.append(part)
                length -= len(part)
        return b"".join(parts)

    def append(self, path: Path, data: bytes) -> int:
        """Write once at the end; a full disk may take less without an exception."""
        descriptor = self._open(path, os.O_APPEND)
        try:
            return os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def write(self, path: Path, offset: int, data: bytes) -> int:
        """Write once at offset."""
        descriptor = self._open(path, 0)
        try:
            return os.pwrite(descriptor, data, offset)
        finally:
            os.close(descriptor)

    def sync(self, path: Path) -> None:
        """Flush data and length."""
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Flush names: without it a new or renamed file may vanish with the power."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        """Cut the file."""
        os.truncate(path, size)

    def replace(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        """Write a temporary file beside it, flush, rename over, flush the folder."""
        temporary = path.with_name(f".{path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        try:
            self._fill(temporary, data)
            if durable:
                self.sync(temporary)
            temporary.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            self.sync_folder(path.parent)

    def create(self, path: Path, data: bytes) -> None:
        """Write a file that must not exist yet: whole and durable, or not at all."""
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        try:
            self._fill(temporary, data)
            self.sync(temporary)
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        self.sync_folder(path.parent)

    def rename(self, old: Path, new: Path) -> None:
        """Rename over."""
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Unlink."""
        path.unlink(missing_ok=True)

    def free(self, folder: Path) -> int:
        """Ask the file system."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def _fill(self, path: Path, data: bytes) -> None:
        if self.append(path, data) != len(data):
            raise OSError(f"{path}: short write, the disk is full")

    def _open(self, path: Path, flags: int) -> int:
        flags |= os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, self._mode)
            os.fchmod(descriptor, self._mode)
            return descriptor
