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
from .told import How, Shrink, Told, tail

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # it imports asyncore, for parts that are not used here
    import pyinotify

HEAD = 256
"""Bytes at a file's beginning whose hash says that it is still the same file."""

LINGER = 30_000_000_000
"""Nanoseconds for which a file that was moved away is still read: its writer has to notice the move first."""

HOLD = 2_000_000_000
"""Nanoseconds after which what happened to a file is judged: an editor or a rotation has ended by then."""

VERIFY = 1_000_000_000
"""Nanoseconds between looks at whether the records that were read still stand in the file."""

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

    def __init__(self, path: Path, notices: Notices, separator: bytes) -> None:
        self.told = Told(separator)
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
        self.doubted = False
        self._watch = notices.watch_file(path)

    def head(self, length: int) -> str:
        """Return the SHA-256 of the first length bytes."""
        return hashlib.sha256(os.pread(self.fd, length, 0)).hexdigest()

    def cursor(self) -> Cursor:
        """Return the place up to which the file was read."""
        head = min(self.offset, HEAD)
        return Cursor(*self.identity, self.offset, head, self.head(head))

    def name(self) -> str:
        """Return its path by now, as the kernel names it."""
        return str(Path(f"/proc/self/fd/{self.fd}").readlink())

    def size(self) -> int:
        """Return the file's size now."""
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        """Close the file; a former one needs no watch either."""
        if self._watch is not None:
            self._notices.forget(self._watch)
        os.close(self.fd)


class _Doubt:
    """A file that does not hold any more what was read of it; missing are the records not found since.

    former is the file that bore the name before; None where it is the same one.
    """

    def __init__(self, opened: _Open, how: How, since: int) -> None:
        self.how: How = how
        self.since = since
        self.before, self.inode = opened.offset, opened.identity[1]
        self.former = opened if how == "removed" else None
        self.missing = opened.told.records()

    def is_rotation(self, name: str) -> bool:
        """Return whether the former file is kept under a name that a rotation gives it."""
        if self.former is None or self.how != "removed" or not os.fstat(self.former.fd).st_nlink:
            return False
        return Path(self.former.name()).name.startswith(name)

    def is_compressed(self) -> bool:
        """Return whether a compressed file stands where the former one was when it was deleted."""
        if self.former is None:
            return False
        path = self.former.name().removesuffix(" (deleted)")
        return any(Path(path + suffix).exists() for suffix in _COMPRESSED)


def _fits(found: _Open, cursor: Cursor) -> bool:
    return found.size() >= cursor.offset and found.head(cursor.head) == cursor.digest


class FollowedFile:
    """The records appended to whatever file bears a name.

    split gives the whole records of a piece and how many bytes they took. A piece of 64 KiB without one whole
    record is dropped up to the next, and counted. With a cursor reading resumes there, also when the file was
    rotated meanwhile; without one it starts at the end of a file that is there, and at the beginning of one
    that appears later. unit is the size of a record, 0 for lines.

    A file that loses what was read of it, other than by rotation, is told by `shrinks`, and read on behind
    the last record that it still has.
    """

    def __init__(
        self,
        path: Path,
        notices: Notices,
        split: Callable[[bytes], tuple[list[bytes], int]],
        cursor: Cursor | None = None,
        unit: int = 0,
    ) -> None:
        self.path = path
        self._unit = unit
        self._doubts: list[_Doubt] = []
        self._shrinks: list[Shrink] = []
        self._verified = 0
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
            self._seen = self._current.cursor()
        self._remember_tail()

    def read(self, now: int, limit: int = 1 << 20) -> list[bytes]:
        """Return the records appended since the last call, at most about limit bytes; now is monotonic ns."""
        self._look(now)
        records: list[bytes] = []
        for former in self._former:
            limit = self._take(former, records, limit)
        if self._current is not None:
            self._take(self._current, records, limit)
            self._seen = self._current.cursor()
        self._judge(now)
        for former in tuple(self._former):
            if now - former.moved_at > LINGER and limit > 0:
                self._former.remove(former)
                former.close()
        return records

    @property
    def doubting(self) -> bool:
        """Whether what happened to the file will be judged in a moment."""
        return bool(self._doubts)

    def shrinks(self) -> list[Shrink]:
        """Return how the file lost records since the last call, other than by rotation."""
        shrinks, self._shrinks = self._shrinks, []
        return shrinks

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
            return _Open(path, self._notices, b"" if self._unit else b"\n")
        except FileNotFoundError:
            return None
        except OSError:
            self._lost["unreadable"] += 1
            return None

    def _look(self, now: int) -> None:
        """See whether the name means another file by now, or the file lost what was read of it."""
        current = self._current
        try:
            found = self.path.stat()
        except OSError:  # moved away: the open one is still the newest there is
            if current is not None and not os.fstat(current.fd).st_nlink:
                self._doubt(current, "removed", now)
            return
        if current is None or current.identity != (found.st_dev, found.st_ino):
            following = self._open(self.path)
            if following is not None:
                if current is not None:
                    current.moved_at = now
                    self._former.append(current)
                    self._doubt(current, "removed", now)
                    if self._go_on(current, following):
                        self._doubts[-1].how = "replaced"
                self._current = following
        elif self._seen is not None and current.offset and not self._stands(current, self._seen, now):
            self._cut(current, self._seen, now)

    def _stands(self, current: _Open, seen: Cursor, now: int) -> bool:
        """Return whether what was read is still there; each record is looked at once in a while."""
        if not _fits(current, seen):
            return False
        if now - self._verified < VERIFY:
            return True
        self._verified = now
        return current.told.stand_in(current.fd)

    def _cut(self, current: _Open, seen: Cursor, now: int) -> None:
        """Read on where a file that was cut or altered in place still has something new, or in its copy."""
        if self._find_rest(seen, now):
            current.offset = 0
            current.told.clear()
            return
        if current.size() < current.offset or not _fits(current, seen):
            self._lost["truncated"] += 1
        self._doubt(current, "truncated" if current.size() < current.offset else "rewritten", now)
        self._go_on(current, current)

    def _doubt(self, opened: _Open, how: How, now: int) -> None:
        """Look again later at what became of a file; one that is gone is judged once."""
        if not opened.doubted:
            opened.doubted = how == "removed"
            self._doubts.append(_Doubt(opened, how, now))

    def _go_on(self, before: _Open, after: _Open) -> bool:
        """Set after's offset behind the last record that before had too; return whether there is one."""
        after.offset, kept = before.told.find_last(after.fd, after.size(), self._unit)
        for doubt in self._doubts:
            for record in kept:
                doubt.missing.pop(record, None)
        after.told.clear()
        begin, records = tail(after.fd, after.offset, self._unit)
        after.told.add(begin, records)
        return bool(kept)

    def settle(self, now: int) -> None:
        """Judge at once what was to be judged later."""
        self._judge(now + HOLD)

    def _judge(self, now: int) -> None:
        """Tell of what was lost, once whoever changed the file has had the time to end."""
        while self._doubts and now - self._doubts[0].since >= HOLD:
            doubt = self._doubts.pop(0)
            if doubt.is_rotation(self.path.name):
                continue
            after = self._current if doubt.how != "removed" else None
            size = None if after is None else after.size()
            if not doubt.missing and size is not None and size >= doubt.before:
                continue
            self._shrinks.append(
                Shrink(
                    path=self.path,
                    how=doubt.how,
                    before=doubt.before,
                    inode=doubt.inode,
                    after=size,
                    new_inode=None if after is None else after.identity[1],
                    lost=tuple(doubt.missing),
                    mono=doubt.since,
                    compressed=doubt.is_compressed(),
                )
            )

    def _anew(self, found: list[bytes]) -> list[bytes]:
        """Leave out what was read before its file was altered, and is written again."""
        again = {record for doubt in self._doubts for record in found if record in doubt.missing}
        for doubt in self._doubts:
            for record in again:
                doubt.missing.pop(record, None)
        return [record for record in found if record not in again]

    def _remember_tail(self) -> None:
        """Remember the records before the place where reading begins: they are to stay where they are."""
        if self._current is not None:
            begin, records = tail(self._current.fd, self._current.offset, self._unit)
            self._current.told.add(begin, records)

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
            opened.told.add(opened.offset, found)
            if opened is self._current and self._doubts:
                found = self._anew(found)
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
