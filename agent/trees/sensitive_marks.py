"""Which files and folders are marked to see who reads them, and what a record of them means."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from ..decode import fanotify as records
from ..decode.fanotify import Raw
from ..kernel.fanotify import Group, Handles
from ..tree_access import barred, is_folder, matches
from .read_window import Opened

FILES = 4096
"""Sensitive files and folders that are watched at most."""

REFUSED = 16
"""Files and folders that are named, at most, as such that this user cannot read."""

_NAMED = 200
_READ = records.OPEN | records.ACCESS
_APPEAR = records.CREATE | records.MOVED_TO | records.ON_DIR

_Handle = tuple[bytes, bytes]


class Target(msgspec.Struct, frozen=True):
    """A configured path or pattern."""

    pattern: str
    decoy: bool = False


class SensitiveMarks:
    """The group, and by handle what is marked; what could not be is counted in lost."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        """Open the group.

        Raises:
            RungUnavailable: fanotify does not work here.
        """
        self._targets = targets
        self._group = Group(objects=True)
        self._handles = Handles()
        self._files: dict[_Handle, Opened] = {}
        self._folders: dict[_Handle, tuple[Target, bytes]] = {}
        self._seen: set[tuple[_Handle, int]] = set()
        self._refused: set[Path] = set()
        self._missing: set[str] = set()
        self.lost: Counter[str] = Counter()

    def fileno(self) -> int:
        """Return the group's descriptor."""
        return self._group.fd

    def read(self) -> Iterator[bytes]:
        """Yield what is queued, piece by piece."""
        return self._group.read()

    def close(self) -> None:
        """Give the marks back."""
        self._group.close()
        self._handles.close()

    def look(self) -> None:
        """Mark the files and folders that the patterns mean now, and the folders they may appear in."""
        before, self._seen = self._seen, set()
        self._files, self._folders = {}, {}
        for target in self._targets:
            for folder in barred(target.pattern):
                self._refuse(folder)
            for folder in _ways(target.pattern):
                self._mark(folder, _APPEAR, before)
            found = [self._look_at(path, target, before) for path in matches(target.pattern)]
            if target.decoy and not any(found) and target.pattern not in self._missing:
                self._missing.add(target.pattern)
                self.lost[f"there is no decoy {target.pattern}"[:_NAMED]] += 1

    def may_mean(self, raw: Raw) -> bool:
        """Return whether a file or folder of a pattern may have appeared."""
        if raw.mask & records.ON_DIR:
            return True
        name = os.fsdecode(raw.name)
        return any(fnmatch.fnmatch(name, Path(target.pattern).name) for target in self._targets)

    def opened(self, raw: Raw) -> Opened | None:
        """Return which sensitive file a record of an open or read is about."""
        marked = self._files.get((raw.fsid, raw.object))
        if marked is not None:
            return marked
        within = self._folders.get((raw.fsid, raw.handle))
        if within is None or raw.name in (b"", b"."):
            return None
        target, folder = within
        path = folder + b"/" + raw.name
        owner = None
        with suppress(OSError):
            owner = Path(os.fsdecode(path)).lstat().st_uid
        return Opened(path, target.pattern, owner, target.decoy)

    def _look_at(self, path: Path, target: Target, before: set[tuple[_Handle, int]]) -> bool:
        try:
            found = path.lstat()
        except OSError:
            return False
        if stat.S_ISREG(found.st_mode):
            handle = self._mark(path, _READ, before)
            if handle is not None:
                opened = Opened(os.fsencode(path), target.pattern, found.st_uid, target.decoy)
                self._files.setdefault(handle, opened)
        elif stat.S_ISDIR(found.st_mode):
            for folder in _folders(path):
                handle = self._mark(folder, _READ | _APPEAR, before, children=True)
                if handle is not None:
                    self._folders.setdefault(handle, (target, os.fsencode(folder)))
        return True

    def _mark(
        self, path: Path, mask: int, before: set[tuple[_Handle, int]], *, children: bool = False
    ) -> _Handle | None:
        try:
            handle = self._handles.of(path)
            if (handle, mask) not in before:
                if len(self._seen) >= FILES:
                    self.lost["too many sensitive files"] += 1
                    return None
                self._group.mark(os.fsencode(path), mask, children=children)
            self._seen.add((handle, mask))
        except PermissionError:
            self._refuse(path)
        except OSError:
            self.lost["sensitive file not marked"] += 1
        else:
            return handle
        return None

    def _refuse(self, path: Path) -> None:
        """Say once what this user cannot read, so that its reads are not seen."""
        if path not in self._refused and len(self._refused) < REFUSED:
            self._refused.add(path)
            self.lost[f"this user cannot read {path}"[:_NAMED]] += 1


def _ways(pattern: str) -> Iterator[Path]:
    """Yield the folders in which a file of pattern, or a folder on the way to one, may appear."""
    parent = Path(pattern).parent
    while parent != parent.parent:
        yield from (path for path in matches(str(parent)) if is_folder(path))
        if not glob.has_magic(str(parent)):
            return
        parent = parent.parent


def _folders(root: Path) -> Iterable[Path]:
    """Yield root and the folders in it, not through links, at most as many as can be marked."""
    for count, (folder, _, _) in enumerate(os.walk(root)):
        if count > FILES:
            return
        yield Path(folder)
