"""Follow growing files by name, through rotation, truncation, absence and restart; the one user of pyinotify.

pyinotify only says that something happened. What happened is always read from the files themselves, so a lost
or undecodable notice costs nothing but time.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..errors import RungUnavailable

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # it imports asyncore, for parts that are not used here
    import pyinotify

HEAD = 256
"""Bytes at a file's beginning whose hash says that it is still the same file."""

LINGER = 30_000_000_000
"""Nanoseconds for which a file that was moved away is still read: its writer has to notice the move first."""

_READ = 64 << 10
_FILE = pyinotify.IN_MODIFY | pyinotify.IN_MOVE_SELF | pyinotify.IN_DELETE_SELF
_FOLDER = pyinotify.IN_CREATE | pyinotify.IN_MOVED_TO | pyinotify.IN_ONLYDIR
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")


class Cursor(msgspec.Struct, frozen=True):
    """A place in a file: offset, and what tells the file: device, inode, hash of its first `head` bytes."""

    device: int
    inode: int
    offset: int
    head: int
    digest: str


class Notices:
    """One inotify instance; its descriptor is readable when a watched file or folder changed."""

    def __init__(self) -> None:
        try:
            self._manager = pyinotify.WatchManager()
        except OSError as error:
            raise RungUnavailable(
                f"no inotify instance: {error}", "sysctl -w fs.inotify.max_user_instances=512"
            ) from error
        self._notifier = pyinotify.Notifier(self._manager, pyinotify.ProcessEvent(), timeout=0)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return int(self._manager.get_fd())

    def drain(self) -> None:
        """Forget the notices so far."""
        try:
            if self._notifier.check_events(timeout=0):
                self._notifier.read_events()
                self._notifier.process_events()
        except (UnicodeDecodeError, pyinotify.NotifierError):
            pass  # a name that is not UTF-8: the notice has woken us, which is all it is for

    def watch_file(self, path: Path) -> int | None:
        """Watch the file that now bears that name; return what `forget` takes, None where it is gone."""
        return self._add(path, _FILE)

    def watch_folder(self, path: Path) -> int | None:
        """Watch for files that appear in the folder."""
        return self._add(path, _FOLDER)

    def forget(self, watch: int) -> None:
        """Watch no longer."""
        self._manager.rm_watch(watch, quiet=True)

    def close(self) -> None:
        """Give the instance back."""
        self._notifier.stop()

    def _add(self, path: Path, mask: int) -> int | None:
        watch = int(self._manager.add_watch(str(path), mask, quiet=True).get(str(path), -1))
        return watch if watch >= 0 else None


class _Open:
    """One open file and how far it was read."""

    def __init__(self, path: Path, notices: Notices) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._notices = notices
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.fd)
            raise OSError(f"{path} is no regular file")
        self.identity = (found.st_dev, found.st_ino)
        self.offset = 0
        self.skipping = False
        self.moved_at = 0
        self._watch = notices.watch_file(path)

    def head(self, length: int) -> str:
        """Return the SHA-256 of the first length bytes."""
        return hashlib.sha256(os.pread(self.fd, length, 0)).hexdigest()

    def cursor(self) -> Cursor:
        """Return the place up to which the file was read."""
        head = min(self.offset, HEAD)
        return Cursor(*self.identity, self.offset, head, self.head(head))

    def size(self) -> int:
        """Return the file's size now."""
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        """Close the file; a former one needs no watch either."""
        if self._watch is not None:
            self._notices.forget(self._watch)
        os.close(self.fd)


def _fits(found: _Open, cursor: Cursor) -> bool:
    return found.size() >= cursor.offset and found.head(cursor.head) == cursor.digest


class FollowedFile:
    """The records appended to whatever file bears a name.

    split gives the whole records of a piece and how many bytes they took. A piece of 64 KiB without one whole
    record is dropped up to the next, and counted. With a cursor reading resumes there, also when the file was
    rotated meanwhile; without one it starts at the end of a file that is there, and at the beginning of one
    that appears later.
    """

    def __init__(
        self,
        path: Path,
        notices: Notices,
        split: Callable[[bytes], tuple[list[bytes], int]],
        cursor: Cursor | None = None,
    ) -> None:
        self.path = path
        self._notices = notices
        self._split = split
        self._former: list[_Open] = []
        self._current: _Open | None = None
        self._lost: Counter[str] = Counter()
        self._seen: Cursor | None = cursor
        notices.watch_folder(path.parent)
        self._current = self._open(path)
        if cursor is not None:
            self._resume(cursor)
        elif self._current is not None:
            self._current.offset = self._current.size()

    def read(self, now: int, limit: int = 1 << 20) -> list[bytes]:
        """Return the records appended since the last call, at most about limit bytes; now is monotonic ns."""
        self._look(now)
        records: list[bytes] = []
        for former in tuple(self._former):
            limit = self._take(former, records, limit)
            if now - former.moved_at > LINGER and limit > 0:
                self._former.remove(former)
                former.close()
        if self._current is not None:
            self._take(self._current, records, limit)
            self._seen = self._current.cursor()
        return records

    def cursor(self) -> Cursor | None:
        """Return the place up to which records were returned, in the oldest file not read to its end."""
        unread = [former for former in self._former if former.offset < former.size()]
        return unread[0].cursor() if unread else self._seen

    def losses(self) -> dict[str, int]:
        """Return what could not be read since the last call, by cause."""
        lost, self._lost = dict(self._lost), Counter()
        return lost

    def close(self) -> None:
        """Close all files."""
        for opened in (*self._former, *filter(None, [self._current])):
            opened.close()
        self._former, self._current = [], None

    def _open(self, path: Path) -> _Open | None:
        try:
            return _Open(path, self._notices)
        except FileNotFoundError:
            return None
        except OSError:
            self._lost["unreadable"] += 1
            return None

    def _look(self, now: int) -> None:
        """See whether the name means another file by now, or the file was cut."""
        try:
            found = self.path.stat()
        except OSError:
            return  # moved away: the open one is still the newest there is
        current = self._current
        if current is None or current.identity != (found.st_dev, found.st_ino):
            following = self._open(self.path)
            if following is not None:
                if current is not None:
                    current.moved_at = now
                    self._former.append(current)
                self._current = following
        elif self._seen is not None and current.offset and not _fits(current, self._seen):
            current.offset = 0
            if not self._find_rest(self._seen, now):
                self._lost["truncated"] += 1

    def _resume(self, cursor: Cursor) -> None:
        if self._current is not None and _fits(self._current, cursor):
            same = self._current.identity == (cursor.device, cursor.inode)
            if same or cursor.head:
                self._current.offset = cursor.offset
                return
        if cursor.offset and not self._find_rest(cursor, 0):
            self._lost["rotated away"] += 1

    def _find_rest(self, cursor: Cursor, now: int) -> bool:
        """Read on in the rotated file that begins as the cursor says, and in those rotated after it."""
        names = [
            path
            for path in self.path.parent.glob(self.path.name + "[.-]*")
            if not path.name.endswith(_COMPRESSED)
        ]
        rest: list[tuple[float, _Open]] = []
        start: float | None = None
        for path in names[:64]:
            opened = self._open(path)
            if opened is None:
                continue
            written = os.fstat(opened.fd).st_mtime
            opened.moved_at = now
            rest.append((written, opened))
            if start is None and cursor.head and _fits(opened, cursor):
                start, opened.offset = written, cursor.offset
        for written, opened in sorted(rest, key=lambda item: item[0]):
            if start is not None and (opened.offset or written > start):
                self._former.append(opened)
            else:
                opened.close()
        return start is not None

    def _take(self, opened: _Open, records: list[bytes], limit: int) -> int:
        """Append opened's next whole records; return what is left of limit."""
        while limit > 0:
            piece = os.pread(opened.fd, _READ, opened.offset)
            found, used = self._split(piece)
            if not used and len(piece) == _READ:
                found, used = [], _READ
                self._lost["overlong"] += not opened.skipping
                opened.skipping = True
            elif used and opened.skipping:
                found, opened.skipping = found[1:], False
            if not used:
                break
            records += found
            opened.offset += used
            limit -= used
        return limit


def split_lines(piece: bytes) -> tuple[list[bytes], int]:
    """Return the whole lines of piece, without their ends, and the bytes they took."""
    used = piece.rfind(b"\n") + 1
    return piece[:used].split(b"\n")[:-1], used


def split_records(size: int) -> Callable[[bytes], tuple[list[bytes], int]]:
    """Return a split for records of size bytes."""

    def split(piece: bytes) -> tuple[list[bytes], int]:
        used = len(piece) - len(piece) % size
        return [piece[at : at + size] for at in range(0, used, size)], used

    return split
