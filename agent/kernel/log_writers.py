"""Who changed, moved or removed files in the folders of logs, by fanotify."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from ..decode.fanotify import DELETE, MODIFY, MOVED_FROM, MOVED_TO, parse_fanotify
from ..errors import RungUnavailable
from .fanotify import Group

_LIMIT = 256
"""Writers of files that are remembered, by name and pid."""


class LogWriters:
    """Sees who writes beside the given logs; nobody where fanotify is not permitted."""

    def __init__(self, logs: Iterable[Path]) -> None:
        self._group: Group | None = None
        self._last: OrderedDict[tuple[bytes, int], int] = OrderedDict()
        try:
            self._group = Group()
        except RungUnavailable:
            return
        for folder in sorted({log.parent for log in logs}):
            try:
                self._group.mark(bytes(folder), MODIFY | MOVED_FROM | MOVED_TO | DELETE, children=True)
            except OSError:  # no such folder, or a file system without handles: its writers stay unknown
                continue

    def drain(self, now: int) -> None:
        """Take what has happened by now (monotonic ns)."""
        if self._group is None:
            return
        for piece in self._group.read():
            for raw in parse_fanotify(piece):
                if raw.pid and raw.name:
                    self._last[raw.name, raw.pid] = now
                    self._last.move_to_end((raw.name, raw.pid))
        while len(self._last) > _LIMIT:
            self._last.popitem(last=False)

    def of(self, path: Path, since: int) -> list[tuple[int, int]]:
        """Return pid and time (monotonic ns) of who wrote path since then, the last one first."""
        name = os.fsencode(path.name)
        found = [(pid, at) for (of, pid), at in self._last.items() if of == name and at >= since]
        return found[::-1]

    def close(self) -> None:
        """Give the group back."""
        if self._group is not None:
            self._group.close()
