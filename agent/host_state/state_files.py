"""Reads the files of a source: bounded in number and bytes, never waiting, never from a network mount."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from ..decode.passwd import login_accounts
from ..decode.slow_mounts import slow_mounts
from ..decode.sshd_config import key_files
from ..state_source import Found, Homes, Place

FILES = 4000
"""Files of one source."""

SSHD = (Place("/etc/ssh", "sshd_config"), Place("/etc/ssh/sshd_config.d", "*.conf"))
"""Where sshd is told where to look for keys."""

_FOLDERS = 500
_CONFIGURATION = 256 << 10
_PASSWD = 4 << 20
_MAGIC = "*?["
_PIECE = 1 << 20


class StateFiles:
    """The host's files below root. lost counts what was not read, by cause."""

    def __init__(self, root: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        self._root = os.fsencode(str(root).rstrip("/"))
        self._mounts = mounts
        self._slow: tuple[bytes, ...] = ()
        self._told: set[bytes] = set()
        self.lost: Counter[str] = Counter()

    def homes(self) -> Homes:
        """Return the accounts as the passwd file has them now; look where reading would wait."""
        with suppress(OSError):
            self._slow = slow_mounts(self._mounts.read_bytes())
        configurations = [found.content for found in self.read(SSHD, _CONFIGURATION)]
        passwd = next(self.read((Place("/etc", "passwd"),), _PASSWD), Found(""))
        return Homes(login_accounts(passwd.content), key_files(configurations))

    def read(self, places: Iterable[Place], limit: int, *, links: bool = False) -> Iterator[Found]:
        """Yield what is there now, each path once; links as such where asked for, else their targets."""
        seen: set[bytes] = set()
        for place in places:
            for folder in self.folders(place):
                for name in _names(self._root + folder, place.pattern):
                    path = folder.rstrip(b"/") + b"/" + name
                    if path in seen:
                        continue
                    if len(seen) >= FILES:
                        self.lost["more files than are read"] += 1
                        return
                    seen.add(path)
                    found = self._found(path, limit, links=links)
                    if found is not None:
                        yield found

    def folders(self, place: Place) -> list[bytes]:
        """Return the folders of a place that are there, below root; none of a network file system."""
        folder = os.fsencode(place.folder)
        if self._waits(folder):
            self.lost["on a network file system, not read"] += 1
            return []
        found = [folder]
        if place.deep:
            with suppress(OSError), os.scandir(self._root + folder) as entries:
                found += sorted(
                    folder + b"/" + entry.name for entry in entries if entry.is_dir(follow_symlinks=False)
                )
        return found[:_FOLDERS]

    def real(self, folder: bytes) -> bytes:
        """Return where a folder below root really is."""
        return self._root + folder

    def _waits(self, folder: bytes) -> bool:
        path = self._root + folder
        return any(path == mount or path.startswith(mount.rstrip(b"/") + b"/") for mount in self._slow)

    def _found(self, path: bytes, limit: int, *, links: bool) -> Found | None:
        """Return what is at path; None where nothing is, or no regular file."""
        real, name = self._root + path, path.decode("utf-8", "replace")
        if links:
            with suppress(OSError):
                target = os.readlink(real)  # noqa: PTH115 - a Path has no bytes
                return Found(name, target=target.decode("utf-8", "replace"))
        try:
            content = _content(real, limit + 1, follow=not links)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell(path, f"not read: {error.strerror}")
            return Found(name, unread=True)
        if content is None:
            return None
        if len(content) > limit:
            self._tell(path, "longer than is read")
        else:
            self._told.discard(path)
        return Found(name, content[:limit])

    def _tell(self, path: bytes, cause: str) -> None:
        """Count a file that is not read, once until it is."""
        if path not in self._told and len(self._told) < FILES:
            self._told.add(path)
            self.lost[cause] += 1


def _content(path: bytes, limit: int, *, follow: bool) -> bytes | None:
    """Return the first limit bytes of a regular file, None of what is none. Opening a FIFO does not wait.

    Raises:
        OSError: it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    fd = os.open(path, flags)
    try:
        return _read(fd, limit) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def _read(fd: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) < limit and (piece := os.read(fd, min(_PIECE, limit - len(content)))):
        content += piece
    return bytes(content)


def _names(folder: bytes, pattern: str) -> list[bytes]:
    if not any(char in pattern for char in _MAGIC):
        return [os.fsencode(pattern)]
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if fnmatchcase(os.fsdecode(entry.name), pattern))
    except OSError:
        return []
