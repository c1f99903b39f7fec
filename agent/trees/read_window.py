"""Reads of sensitive files, gathered per process and configured path; pure.

The first read of a process is told at once, since it may be the only one; what follows is gathered until the
window is over or the process has ended. Each event holds what came since the one before, so sums are exact.
"""

from __future__ import annotations

import msgspec

from evidence.kind import Actor
from evidence.kinds.file import Read
from evidence.text import to_text

WINDOWS = 4096
PATHS = 64
"""Distinct paths that one event names; `files` goes on counting up to DISTINCT of a process and tree."""

DISTINCT = 4096


class Opened(msgspec.Struct, frozen=True):
    """Which file was opened, of which configured tree, owned by whom; decoy: nobody has a reason to."""

    path: bytes
    tree: str
    owner: int | None
    decoy: bool = False


class Reader(msgspec.Struct, frozen=True):
    """Who reads: pid 0 where it is not told; actor's start tells a reused pid from the former."""

    pid: int
    actor: Actor | None = None

    @property
    def start(self) -> int | None:
        """When the process began, where that is known."""
        return self.actor.start if self.actor is not None else None


class Due(msgspec.Struct, frozen=True):
    """An event that is due, who read, when (monotonic ns) that was told, and between which two it began."""

    pid: int
    mono: int
    between: tuple[int, int]
    body: Read


class _Window(msgspec.Struct):
    pid: int
    opened: Opened
    actor: Actor | None
    due: int
    late: bool = False
    mono: int = 0
    between: tuple[int, int] = (0, 0)
    first: int | None = None
    last: int | None = None
    opens: int = 0
    size: int = 0
    fresh: dict[bytes, None] = {}
    counted: set[bytes] = set()


_Key = tuple[int, int | None, str]


class ReadWindows:
    """Windows of `length` ns; the oldest is closed early when there are too many."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._open: dict[_Key, _Window] = {}

    def __len__(self) -> int:
        return len(self._open)

    def pids(self) -> set[int]:
        """Return the processes whose windows are open."""
        return {window.pid for window in self._open.values()}

    def has_read(self, reader: Reader, opened: Opened) -> bool:
        """Whether this path was counted for this reader already, so that its size need not be known."""
        window = self._open.get((reader.pid, reader.start, opened.tree))
        return window is not None and opened.path in window.counted

    def add(
        self,
        reader: Reader,
        opened: Opened,
        *,
        time: int,
        mono: int,
        between: tuple[int, int] | None = None,
        opens: int = 1,
        size: int = 0,
    ) -> None:
        """Count opens and reads by reader, told at time (UTC ns) and mono; size is the file's, in bytes.

        between are two moments (mono) within which they were; None where nothing but mono is known.
        """
        key = reader.pid, reader.start, opened.tree
        window = self._open.get(key)
        if window is None:
            window = _Window(reader.pid, opened, reader.actor, mono)
            self._open[key] = window
        if window.first is None:
            window.first, window.mono, window.between = time, mono, between or (0, mono)
            window.actor = reader.actor or window.actor  # it may have become another program since
        window.last = time
        window.opens += opens
        window.actor = window.actor or reader.actor
        if opened.path not in window.counted and len(window.counted) < DISTINCT:
            window.counted.add(opened.path)
            window.fresh[opened.path] = None
            window.size += size

    def end(self, pids: set[int], mono: int) -> None:
        """These processes have gone: what is gathered of them is due now, and nothing will follow."""
        for window in self._open.values():
            if window.pid in pids:
                window.due, window.late = mono, True

    def due(self, mono: int, *, over: bool = False) -> list[Due]:
        """Return the events that are due; when it is over, or beyond WINDOWS, all that are gathered."""
        full = over or len(self._open) > WINDOWS
        found: list[Due] = []
        for key, window in tuple(self._open.items()):
            if mono < window.due and not full:
                continue
            if window.first is None or window.late or full:
                del self._open[key]  # nothing came for a whole window, or nothing more can
            if window.first is not None:
                found.append(Due(window.pid, window.mono, window.between, _event(window)))
                _begin_anew(window, mono + self._length)
        return found


def _begin_anew(window: _Window, due: int) -> None:
    window.due = due
    window.first = window.last = None
    window.opens = window.size = 0
    window.fresh = {}


def _event(window: _Window) -> Read:
    paths = list(window.fresh)[:PATHS] or [window.opened.path]
    texts = [to_text(path) for path in paths]
    escaped = any(flag for _, flag in texts)
    if escaped:  # one form for all paths of an event
        texts = [(text if flag else text.replace("\\", "\\\\"), True) for text, flag in texts]
    return Read(
        path=texts[0][0],
        paths=tuple(text for text, _ in texts),
        escaped=("path", "paths") if escaped else (),
        tree=window.opened.tree,
        files=len(window.fresh),
        opens=window.opens,
        bytes=window.size,
        decoy=window.opened.decoy,
        owner=window.opened.owner,
        first=window.first,
        last=window.last,
        late=window.late,
        actor=window.actor or Actor(pid=window.pid or None),
    )
