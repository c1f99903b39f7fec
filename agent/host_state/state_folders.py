"""Watches the folders of all sources, also those that are not there yet, and says whose files changed."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from fnmatch import fnmatchcase

from ..decode.inotify import (
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    IGNORED,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    ONLYDIR,
    OVERFLOW,
)
from ..kernel.inotify import Inotify
from ..tree_access import is_folder

WATCHES = 4000
_FULL = CLOSE_WRITE | CREATE | MOVED_FROM | MOVED_TO | DELETE | DELETE_SELF | MOVE_SELF | ONLYDIR
_ARRIVAL = CREATE | MOVED_TO | DELETE_SELF | MOVE_SELF | ONLYDIR
_GONE = DELETE_SELF | MOVE_SELF | IGNORED
_BUSY = 500
"""Notices that concern nobody after which a folder is left to the polls, until the next one."""

Wish = tuple[bytes, bytes, int]
"""A folder, a pattern of names in it, and the mask that is needed to see them change."""


class StateFolders:
    """One watch a folder, shared by all sources that want something in it."""

    def __init__(self, inotify: Inotify) -> None:
        self._inotify = inotify
        self._wishes: dict[str, list[Wish]] = {}
        self._wanted: dict[bytes, list[tuple[str, bytes]]] = {}
        self._watches: dict[bytes, tuple[int, int]] = {}
        self._folders: dict[int, set[bytes]] = defaultdict(set)
        self._idle: Counter[bytes] = Counter()
        self._left: set[bytes] = set()
        self._told: set[bytes] = set()
        self.lost: Counter[str] = Counter()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._inotify.fileno()

    def plan(self, source: str, places: list[tuple[bytes, str]]) -> None:
        """Watch for what a source reads: (real folder, pattern); for a missing folder, for its arrival."""
        wishes = [_wish(folder, os.fsencode(pattern)) for folder, pattern in places]
        if self._wishes.get(source) == wishes and all(wish[0] in self._watches for wish in wishes):
            return
        self._wishes[source] = wishes
        self._apply()

    def retry(self) -> None:
        """Watch the busy folders again, since everything was just read."""
        if self._left:
            self._left.clear()
            self._apply()
        self._idle.clear()

    def changed(self) -> set[str]:
        """Return the sources whose files may have changed since the last call; all after an overflow."""
        sources: set[str] = set()
        for notice in self._inotify.read():
            if notice.mask & OVERFLOW:
                return set(self._wishes)
            for folder in tuple(self._folders.get(notice.watch, ())):
                if notice.mask & _GONE:
                    sources |= {source for source, _ in self._wanted.get(folder, ())}
                    self._forget(folder)
                    continue
                meant = {source for source, name in self._wanted[folder] if _fits(notice.name, name)}
                sources |= meant
                self._idle[folder] += not meant
        for folder in [folder for folder, count in self._idle.items() if count > _BUSY]:
            self._leave(folder)
        return sources

    def close(self) -> None:
        """Give all watches back."""
        self._inotify.close()

    def _apply(self) -> None:
        """Add and remove watches so that they are those that are wanted."""
        masks: dict[bytes, int] = {}
        self._wanted = defaultdict(list)
        for source, wishes in self._wishes.items():
            for folder, pattern, mask in wishes:
                self._wanted[folder].append((source, pattern))
                masks[folder] = masks.get(folder, 0) | mask
        for folder in self._watches.keys() - masks.keys():
            self._forget(folder, remove=True)
        for folder, mask in masks.items():
            if folder not in self._left and self._watches.get(folder, (0, 0))[1] != mask:
                self._add(folder, mask)

    def _add(self, folder: bytes, mask: int) -> None:
        if len(self._watches) >= WATCHES:
            self.lost["more folders than are watched"] += 1
            return
        try:
            watch = self._inotify.add(folder, mask)
        except OSError as error:
            expected = isinstance(error, FileNotFoundError | NotADirectoryError)
            if not expected and folder not in self._told and len(self._told) < WATCHES:
                self._told.add(folder)
                self.lost[f"folder not watched: {error.strerror}"] += 1
            return
        self._told.discard(folder)
        self._watches[folder] = (watch, mask)
        self._folders[watch].add(folder)

    def _forget(self, folder: bytes, *, remove: bool = False) -> None:
        known = self._watches.pop(folder, None)
        if known is None:
            return
        shared = self._folders[known[0]]
        shared.discard(folder)
        if not shared:
            del self._folders[known[0]]
            if remove:
                self._inotify.remove(known[0])

    def _leave(self, folder: bytes) -> None:
        """Watch a folder no longer in which much happens that concerns nobody."""
        self._forget(folder, remove=True)
        self._left.add(folder)
        del self._idle[folder]


def _wish(folder: bytes, pattern: bytes) -> Wish:
    """Return what shows a change of pattern in folder: its arrival in the nearest folder that is there."""
    mask = _FULL
    while folder not in (b"", b"/") and not is_folder(folder):
        folder, _, pattern = folder.rpartition(b"/")
        mask = _ARRIVAL
    return folder or b"/", pattern, mask


def _fits(name: bytes, pattern: bytes) -> bool:
    return not name or fnmatchcase(name, pattern)
