"""Reads the files of a source: bounded in number and bytes, never waiting, never from a network mount."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from .decode.slow_mounts import slow_mounts
from .decode.passwd import login_accounts
from .decode.sshd_config import key_files
from .state_source import Found, Homes, Place

FILES = 4000
"""Files of one source."""

_FOLDERS = 500
_CONFIGURATION = 256 << 10
_PASSWD = 4 << 20
_MAGIC = "*?["


class StateFiles:
    """The host's files below root. lost counts what was not read, by cause."""

    def __init__(self, root: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        self._root = os.fsencode(str(root).rstrip("/"))
        self._mounts = mounts
        self._slow: tuple[bytes, ...] = ()
        self.lost: Counter[str] = Counter()

    def homes(self) -> Homes:
        """Return the accounts as the passwd file has them now; look where reading would wait."""
        with suppress(OSError):
            self._slow = slow_mounts(self._mounts.read_bytes())
        places = (Place("/etc/ssh", "sshd_config"), Place("/etc/ssh/sshd_config.d", "*.conf"))
        configurations = [found.content for found in self.read(places, _CONFIGURATION)]
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
        real, name = self._root + path, os.fsdecode(path).encode("utf-8", "replace").decode()
        if links:
            with suppress(OSError):
                target = os.fsencode(os.readlink(real))  # noqa: PTH115 - paths are bytes here
                return Found(name, target=target.decode("utf-8", "replace"))
        content = self._content(real, limit, links=links)
        return None if content is None else Found(name, content)

    def _content(self, path: bytes, limit: int, *, links: bool) -> bytes | None:
        """Return a regular file's beginning; None for what is none, or gone. Opening a FIFO does not wait."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (os.O_NOFOLLOW if links else 0)
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.lost[f"not read: {error.strerror}"] += 1
            return None
        with os.fdopen(fd, "rb") as file:
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    return None
                content = file.read(limit + 1)
            except OSError as error:
                self.lost[f"not read: {error.strerror}"] += 1
                return None
        if len(content) > limit:
            self.lost["longer than is read"] += 1
        return content[:limit]


def _names(folder: bytes, pattern: str) -> list[bytes]:
    if not any(char in pattern for char in _MAGIC):
        return [os.fsencode(pattern)]
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if fnmatchcase(os.fsdecode(entry.name), pattern))
    except OSError:
        return []
