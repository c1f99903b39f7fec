"""Who opens and reads the configured sensitive files: fanotify marks on each file that a pattern now means.

A file that is replaced (as useradd replaces /etc/shadow) is another inode, so the folders of the patterns are
marked too: a name that fits and appears there is marked at once. All patterns are tried anew on a timer, for
what appears in folders that did not exist.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from evidence.kinds.file import Read

from .decode import fanotify as records
from .decode.fanotify import Raw, parse_fanotify
from .kernel.fanotify import Group, Handles
from .read_window import Opened, ReadWindows
from .sensor import Moment, Observed, Processes
from .tree_access import barred, is_folder, matches

FILES = 4096
"""Sensitive files that are watched at most."""

REFUSED = 16
"""Files and folders that are named, at most, as such that this user cannot read."""

_NAMED = 200
_REGLOB = 30_000_000_000
_READ = records.OPEN | records.ACCESS
_APPEAR = records.CREATE | records.MOVED_TO | records.ON_DIR


class _Marked(msgspec.Struct, frozen=True):
    """A marked file, or (pattern None) a folder in which one may appear."""

    opened: Opened | None


class SensitiveReads:
    """The open marks and windows."""

    def __init__(self, patterns: tuple[str, ...], window: float, processes: Processes) -> None:
        """Mark what is there.

        Raises:
            RungUnavailable: fanotify does not work here.
        """
        self._patterns = patterns
        self._processes = processes
        self._windows = ReadWindows(int(window * 1e9))
        self._group = Group(objects=True)
        self._handles = Handles()
        self._marked: dict[tuple[bytes, bytes], _Marked] = {}
        self._lost: Counter[str] = Counter()
        self._refused: set[Path] = set()
        self._globbed: int | None = None
        self._own = os.getpid()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._group.fd

    @property
    def gathering(self) -> bool:
        """Whether a window is open, so that `read` should be called when it is over."""
        return len(self._windows) > 0

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return the reads whose window is over."""
        if self._globbed is None or now.mono - self._globbed >= _REGLOB:
            self.look(now)
        pieces, _ = self._group.read()
        appeared = False
        for piece in pieces:
            for raw in parse_fanotify(piece):
                appeared |= self._take(raw, now)
        if appeared:
            self.look(now)
        return [
            Observed(self._named(pid, began, body), time=body.first)
            for pid, began, body in self._windows.due(now.mono)
        ]

    def look(self, now: Moment) -> None:
        """Mark the files that the patterns mean now, and their folders."""
        self._globbed = now.mono
        before, self._marked = self._marked, {}
        for pattern in self._patterns:
            for folder in barred(pattern):
                self._refuse(folder)
            for folder in self._folders(pattern):
                self._mark(folder, _APPEAR, _Marked(None), before)
            for path in matches(pattern):
                with suppress(OSError):
                    found = path.lstat()
                    if stat.S_ISREG(found.st_mode):
                        opened = Opened(os.fsencode(path), pattern, found.st_uid)
                        self._mark(path, _READ, _Marked(opened), before)

    def losses(self) -> dict[str, int]:
        """Return what could not be seen since the last call, by cause."""
        lost, self._lost = dict(self._lost), Counter()
        return lost

    def close(self) -> None:
        """Give the marks back."""
        self._group.close()
        self._handles.close()

    def _folders(self, pattern: str) -> Iterable[Path]:
        """Yield the folders in which a file of pattern, or a folder on the way to one, may appear."""
        parent = Path(pattern).parent
        while parent != parent.parent:
            yield from (path for path in matches(str(parent)) if is_folder(path))
            if not glob.has_magic(str(parent)):
                return
            parent = parent.parent

    def _mark(
        self, path: Path, mask: int, marked: _Marked, before: dict[tuple[bytes, bytes], _Marked]
    ) -> None:
        try:
            handle = self._handles.of(path)
            if handle not in before:
                if len(self._marked) >= FILES:
                    self._lost["too many sensitive files"] += 1
                    return
                self._group.mark(os.fsencode(path), mask)
            self._marked.setdefault(handle, marked)
        except PermissionError:
            self._refuse(path)
        except OSError:
            self._lost["sensitive file not marked"] += 1

    def _refuse(self, path: Path) -> None:
        """Say once what this user cannot read, so that its reads are not seen."""
        if path not in self._refused and len(self._refused) < REFUSED:
            self._refused.add(path)
            self._lost[f"this user cannot read {path}"[:_NAMED]] += 1

    def _take(self, raw: Raw, now: Moment) -> bool:
        """Count an open; return whether a file of a pattern may have appeared."""
        if raw.mask & records.OVERFLOW:
            self._lost["queue overflow"] += 1
            return True
        if raw.mask & (records.CREATE | records.MOVED_TO):
            return raw.mask & records.ON_DIR != 0 or self._fits(raw.name)
        marked = self._marked.get((raw.fsid, raw.object))
        if marked is None or marked.opened is None or raw.pid == self._own:
            return False
        actor = self._processes.actor(raw.pid, now.mono)
        self._windows.add(raw.pid, marked.opened, actor, time=now.time, mono=now.mono)
        return False

    def _named(self, pid: int, began: int, body: Read) -> Read:
        """Ask again who pid was: its exec may have been told after its read."""
        if body.actor is not None and body.actor.exe is not None:
            return body
        return replace(body, actor=self._processes.actor(pid, began) or body.actor)

    def _fits(self, name: bytes) -> bool:
        text = os.fsdecode(name)
        return any(fnmatch.fnmatch(text, Path(pattern).name) for pattern in self._patterns)
