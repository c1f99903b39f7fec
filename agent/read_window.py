"""Reads of sensitive files, gathered per process and configured path over a window of time; pure."""

from __future__ import annotations

import msgspec

from evidence.kind import Actor
from evidence.kinds.file import Read
from evidence.text import to_text

WINDOWS = 4096
PATHS = 64
"""Distinct paths that one event names; `files` goes on counting up to DISTINCT."""

DISTINCT = 4096


class Opened(msgspec.Struct, frozen=True):
    """Which file was opened, of which configured tree, owned by whom."""

    path: bytes
    tree: str
    owner: int | None


class _Window(msgspec.Struct):
    owner: int | None
    actor: Actor | None
    began: int
    first: int
    last: int
    opens: int = 0
    paths: dict[bytes, None] = {}


class ReadWindows:
    """Windows of `length` ns; the oldest is closed early when there are too many."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._open: dict[tuple[int, str], _Window] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, pid: int, opened: Opened, actor: Actor | None, *, time: int, mono: int) -> None:
        """Count one open by pid (0: not told) at time (UTC ns) and mono."""
        window = self._open.get((pid, opened.tree))
        if window is None:
            window = _Window(opened.owner, actor, mono, time, time)
            self._open[pid, opened.tree] = window
        window.last = time
        window.opens += 1
        window.actor = window.actor or actor
        if len(window.paths) < DISTINCT:
            window.paths[opened.path] = None

    def due(self, mono: int) -> list[tuple[int, int, Read]]:
        """Return (pid, mono of its first open, event) of windows that are over, or beyond WINDOWS."""
        closed: list[tuple[int, int, Read]] = []
        for (pid, tree), window in tuple(self._open.items()):
            if mono - window.began >= self._length or len(self._open) > WINDOWS:
                del self._open[pid, tree]
                closed.append((pid, window.began, _event(pid, tree, window)))
        return closed


def _event(pid: int, tree: str, window: _Window) -> Read:
    texts = [to_text(path) for path in list(window.paths)[:PATHS]]
    escaped = any(flag for _, flag in texts)
    if escaped:  # one form for all paths of an event
        texts = [(text if flag else text.replace("\\", "\\\\"), True) for text, flag in texts]
    return Read(
        path=texts[0][0],
        paths=tuple(text for text, _ in texts),
        escaped=("path", "paths") if escaped else (),
        tree=tree,
        files=len(window.paths),
        opens=window.opens,
        owner=window.owner,
        first=window.first,
        last=window.last,
        actor=window.actor or Actor(pid=pid or None),
    )
