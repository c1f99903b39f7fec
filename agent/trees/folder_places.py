"""Where folders of fanotify's records are: handles to paths, remembered, and at once "not ours" for most.

A folder is foreign when it is in no tree and no tree is in it. Only a folder that is moved changes what its
handle means: then what is remembered is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from ..tree_change import Trees

PLACES = 4096
"""Folders that are remembered, of ours and of foreign ones each; beyond it all are looked up anew."""

FSID = 8
"""Bytes of a key that name the file system."""

Key = bytes
"""File system and handle, joined."""


class FolderPlaces:
    """Paths of folders in or above the trees; foreign counts the records seen of others, by folder."""

    def __init__(self, trees: Trees, look_up: Callable[[bytes, bytes], bytes | None]) -> None:
        """look_up tells where a folder is, by file system and handle."""
        self._trees = trees
        self._look_up = look_up
        self._ours: dict[Key, bytes] = {}
        self._extra: set[bytes] = set()
        self._above = {above for root in trees.roots for above in _above(root)}
        self.foreign: dict[Key, int] = {}

    def add(self, folder: bytes) -> None:
        """Count a folder outside the trees as ours."""
        self._extra.add(folder)
        self.foreign.clear()

    def path(self, fsid: bytes, handle: bytes) -> bytes | None:
        """Return a folder's path; None when it is foreign, or gone."""
        key = fsid + handle
        known = self._ours.get(key)
        if known is not None:
            return known
        if key in self.foreign:
            self.foreign[key] += 1
            return None
        found = self._look_up(fsid, handle)
        if found is None:
            return None
        if self._trees.holds(found) or found in self._above or found in self._extra:
            if len(self._ours) >= PLACES:
                self._ours.clear()
            self._ours[key] = found
            return found
        if len(self.foreign) >= PLACES:
            self.foreign.clear()
        self.foreign[key] = 1
        return None

    def take_foreign(self, busy: int) -> tuple[int, list[Key]]:
        """Return how many records were foreign since the last call, and folders of at least busy ones."""
        total, found = 0, []
        for key, count in self.foreign.items():
            if count:
                total += count
                self.foreign[key] = 0
                if count >= busy:
                    found.append(key)
        return total, found

    def moved(self) -> None:
        """Forget what was known: a folder in or above the trees was moved."""
        self._ours.clear()
        self.foreign.clear()


def _above(path: bytes) -> list[bytes]:
    """Return all folders that path is in, the root among them."""
    parts = path.split(b"/")[1:-1]
    return [b"/" + b"/".join(parts[:count]) for count in range(len(parts) + 1)]
