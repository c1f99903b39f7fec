"""Changes in trees with the pid of who made them, by fanotify: whole filesystems marked, or each folder.

Records say where something happened; equal ones merge in the kernel and once more here. A record of a folder
whose handle no longer opens is of a folder that is gone, and its own parent has told that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .decode import fanotify as records
from .decode.fanotify import Raw, parse_fanotify
from .errors import RungUnavailable
from .kernel.fanotify import Group, Handles
from .tree_access import is_folder
from .tree_change import TreeChange, Trees

_APPEARED = records.CREATE | records.MOVED_TO
_CHANGES = (
    _APPEARED | records.DELETE | records.MOVED_FROM | records.CLOSE_WRITE | records.ATTRIB | records.ON_DIR
)


class FanotifyTrees:
    """A group whose marks cover the filesystems of the trees, or (whole=False) each folder that is added."""

    def __init__(self, trees: Trees, *, whole: bool) -> None:
        """Open the group and, for whole, mark the filesystems.

        Raises:
            RungUnavailable: fanotify, or marks of filesystems, are refused here.
        """
        self._trees = trees
        self._whole = whole
        self._group = Group()
        self._handles = Handles()
        self.unwatched = () if whole else tuple(root for root in trees.roots if not is_folder(root))
        try:
            self._mark_filesystems()
        except OSError as error:
            self.close()
            reason = f"marking the filesystem of {error.filename}: {error.strerror}"
            raise RungUnavailable(reason, "give the unit CAP_SYS_ADMIN") from error

    def filenos(self) -> tuple[int, ...]:
        """Return the group's descriptor."""
        return (self._group.fd,)

    def add_folder(self, folder: bytes) -> None:
        """See changes of what is directly in folder.

        Raises:
            OSError: folder is gone, or there can be no more marks.
        """
        if self._whole and self._trees.holds(folder):
            return
        path = Path(os.fsdecode(folder))
        self._handles.add_filesystem(path)
        self._group.mark(folder, _CHANGES, children=True)
        self._handles.remember(path)

    def read(self) -> tuple[Iterable[TreeChange], bool]:
        """Return one change for each path, with the last pid, and whether the kernel's queue overflowed."""
        pieces, _ = self._group.read()
        merged: dict[tuple[bytes, bytes, bytes], Raw] = {}
        appeared: set[tuple[bytes, bytes, bytes]] = set()
        overflow = False
        for piece in pieces:
            for raw in parse_fanotify(piece):
                overflow |= bool(raw.mask & records.OVERFLOW)
                key = raw.fsid, raw.handle, raw.name
                merged[key] = raw
                if raw.mask & _APPEARED:
                    appeared.add(key)
        return self._resolve(merged, appeared), overflow

    def close(self) -> None:
        """Give the marks back."""
        self._group.close()
        self._handles.close()

    def _mark_filesystems(self) -> None:
        """Mark where the trees are, or will be: a tree that does not exist is seen when it appears."""
        for root in self._trees.roots if self._whole else ():
            path = Path(os.fsdecode(root))
            folder = next(there for there in (path, *path.parents) if is_folder(there))
            self._handles.add_filesystem(folder)
            self._group.mark_filesystem(os.fsencode(folder), _CHANGES)

    def _resolve(
        self, merged: dict[tuple[bytes, bytes, bytes], Raw], appeared: set[tuple[bytes, bytes, bytes]]
    ) -> list[TreeChange]:
        folders: dict[tuple[bytes, bytes], bytes | None] = {}
        changes = []
        for key, raw in merged.items():
            where = raw.fsid, raw.handle
            if where not in folders:
                folders[where] = self._handles.folder(*where) if raw.handle else None
            folder = folders[where]
            if folder is not None:
                path = folder if raw.name in (b"", b".") else folder.rstrip(b"/") + b"/" + raw.name
                changes.append(TreeChange(path, raw.pid or None, key in appeared))
        return changes
