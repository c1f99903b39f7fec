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
        self._handles.add_filesystem(Path(os.fsdecode(folder)))
        self._group.mark(folder, _CHANGES, children=True)

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
        for root in self._trees.roots:
            path = Path(os.fsdecode(root))
            if not path.exists():
                continue
            self._handles.add_filesystem(path if path.is_dir() else path.parent)
            if self._whole:
                self._group.mark_filesystem(root, _CHANGES)

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
                changes.append(TreeChange(path, raw.pid, key in appeared))
        return changes
