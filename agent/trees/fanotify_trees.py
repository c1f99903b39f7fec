"""Changes in trees with the pid of who made them, by fanotify: whole filesystems marked, or each folder.

Records say where something happened; equal ones merge in the kernel and once more here. A record of a folder
whose handle no longer opens is of a folder that is gone, and its own parent has told that.

A marked filesystem tells of every folder on it. What is foreign is dropped from its record's first bytes, and
where much happens the kernel is told to ignore that folder: its records are then not even made. If all that
does not help, `narrow` gives the filesystems up and marks the trees' own folders.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..decode import fanotify as records
from ..decode.fanotify import Raw, parse_fanotify
from ..errors import RungUnavailable
from ..kernel.fanotify import Group, Handles
from ..tree_access import is_folder
from ..tree_change import TreeChange, TreeNews, Trees
from .folder_places import FSID, FolderPlaces

BUSY = 64
"""Records of a foreign folder in one reading, from which on the kernel is told to ignore it."""

IGNORED = 1024
"""Folders that are ignored at once; then it begins anew."""

_PORTION = 4
"""Reads of a group at once: a busy second's records, with all that is made of them, would be many MB."""

_APPEARED = records.CREATE | records.MOVED_TO | records.RENAME
_MOVED = records.MOVED_FROM | records.MOVED_TO
_QUIET = records.CREATE | records.DELETE | records.CLOSE_WRITE | records.ATTRIB
_CHANGES = _QUIET | records.ON_DIR

_Key = tuple[bytes, bytes, bytes]
"""File system, folder's handle, name."""


class _Merged:
    """The records of one reading by path: the last of each, what appeared, and who was first if another."""

    def __init__(self) -> None:
        self.last: dict[_Key, Raw] = {}
        self.appeared: set[_Key] = set()
        self.first: dict[_Key, int] = {}
        self.paths: dict[_Key, bytes | None] = {}
        """The paths of those that were looked for: a rename's two records name both."""


class FanotifyTrees:
    """A group for each filesystem of the trees, or (whole=False) for each tree, whose overflow is its own."""

    def __init__(self, trees: Trees, *, whole: bool) -> None:
        """Open the groups and, for whole, mark the filesystems.

        Raises:
            RungUnavailable: fanotify, or marks of filesystems, are refused here.
        """
        self._trees = trees
        self._whole = whole
        self._own = Group()
        self._handles = Handles()
        self._places = FolderPlaces(trees, self._handles.folder)
        self._groups: dict[bytes, Group] = {}
        self._roots: dict[int, list[bytes]] = {}
        self._renames = records.RENAME
        self._ignored: int | None = 0
        self.unwatched = () if whole else tuple(root for root in trees.roots if not is_folder(root))
        try:
            self._open_groups()
        except OSError as error:
            self.close()
            reason = f"marking the filesystem of {error.filename}: {error.strerror}"
            raise RungUnavailable(reason, "give the unit CAP_SYS_ADMIN") from error
        except RungUnavailable:
            self.close()
            raise

    def filenos(self) -> tuple[int, ...]:
        """Return the groups' descriptors."""
        return tuple(group.fd for group in self._all())

    def add_folder(self, folder: bytes) -> None:
        """See changes of what is directly in folder.

        Raises:
            OSError: folder is gone, or there can be no more marks.
        """
        root = self._trees.root_of(folder)
        if self._whole and root is not None:
            return
        path = Path(os.fsdecode(folder))
        self._handles.add_filesystem(path)
        if root is None:
            self._places.add(folder)
        self._mark(self._group_of(root), folder)
        self._handles.remember(path)

    def read(self) -> TreeNews:
        """Return one change for each path of a portion of what is queued, with the last pid."""
        merged = _Merged()
        lost: list[bytes] = []
        more = False
        for group in self._all():
            for count, piece in enumerate(group.read(_PORTION), 1):
                more |= count == _PORTION
                for raw in parse_fanotify(piece, self._places.foreign):
                    if raw.mask & records.OVERFLOW:
                        lost += self._roots.get(group.fd, ())
                    self._take(raw, merged)
        changes = self._resolve(merged)
        foreign, busy = self._places.take_foreign(BUSY)
        for key in busy if self._whole else ():
            self._quieten(key)
        return TreeNews(tuple(changes), tuple(lost), foreign, more)

    def narrow(self) -> bool:
        """Give marks of filesystems up; each folder is marked when it is added."""
        if not self._whole:
            return False
        self._whole = False
        self._see_ignored()
        for group in self._groups.values():
            group.unmark_filesystems()
        return True

    def close(self) -> None:
        """Give the marks back."""
        for group in self._all():
            group.close()
        self._groups.clear()
        self._handles.close()

    def _all(self) -> tuple[Group, ...]:
        return (self._own, *self._groups.values())

    def _open_groups(self) -> None:
        """Mark where the trees are, or will be: a tree that does not exist is seen when it appears."""
        for root in self._trees.roots:
            group = self._group_of(root)
            if self._whole:
                folder = _standing(root)
                self._handles.add_filesystem(folder)
                self._mark(group, os.fsencode(folder), whole=True)

    def _group_of(self, root: bytes | None) -> Group:
        """Return the group of a tree; folders outside of all have their own."""
        if root is None:
            return self._own
        key = self._handles.of(_standing(root))[0] if self._whole else root
        if key not in self._groups:
            self._groups[key] = Group()
        group = self._groups[key]
        covered = self._roots.setdefault(group.fd, [])
        if root not in covered:
            covered.append(root)
        return group

    def _mark(self, group: Group, folder: bytes, *, whole: bool = False) -> None:
        """Mark folder or its filesystem; a rename is told in one record where the kernel can (5.17)."""
        try:
            mask = _CHANGES | self._renames
            if whole:
                group.mark_filesystem(folder, mask)
            else:
                group.mark(folder, mask, children=True)
        except OSError as error:
            if error.errno != errno.EINVAL or self._renames == _MOVED:
                raise
            self._renames = _MOVED
            self._mark(group, folder, whole=whole)

    def _take(self, raw: Raw, merged: _Merged) -> None:
        """Merge a record with those of the same path."""
        if raw.mask & records.ON_DIR and raw.mask & (records.RENAME | _MOVED):
            self._folder_moved(raw)
        if raw.handle:
            key = raw.fsid, raw.handle, raw.name
            former = merged.last.get(key)
            if former is not None:
                if former.pid != raw.pid:
                    merged.first.setdefault(key, former.pid)
                if former.former_handle and not raw.former_handle:
                    raw = _with_former(raw, former)
            merged.last[key] = raw
            if raw.mask & _APPEARED:
                merged.appeared.add(key)
        if raw.former_handle:
            merged.last[raw.fsid, raw.former_handle, raw.former_name] = raw

    def _folder_moved(self, raw: Raw) -> None:
        """A folder that came, went or moved inside: what was known of places may be wrong."""
        handles = [handle for handle in (raw.handle, raw.former_handle) if handle]
        if any(self._places.path(raw.fsid, handle) is not None for handle in handles):
            self._places.moved()
            self._see_ignored()

    def _resolve(self, merged: _Merged) -> list[TreeChange]:
        changes = []
        for key, raw in merged.last.items():
            here = self._path(key, merged.paths)
            if here is None:
                continue
            former = latter = None
            if raw.former_handle and key == (raw.fsid, raw.handle, raw.name):
                former = self._path_anywhere((raw.fsid, raw.former_handle, raw.former_name), merged.paths)
            elif raw.former_handle and raw.handle:
                latter = self._path_anywhere((raw.fsid, raw.handle, raw.name), merged.paths)
            first = merged.first.get(key)
            changes.append(TreeChange(here, raw.pid or None, key in merged.appeared, former, latter, first))
        return changes

    def _path(self, key: _Key, known: dict[_Key, bytes | None]) -> bytes | None:
        """Return a path in or above the trees, the same object each time it is known."""
        if key not in known:
            folder = self._places.path(key[0], key[1])
            known[key] = _joined(folder, key[2]) if folder is not None else None
        return known[key]

    def _path_anywhere(self, key: _Key, known: dict[_Key, bytes | None]) -> bytes | None:
        here = self._path(key, known)
        if here is None:
            folder = self._handles.folder(key[0], key[1])
            here = _joined(folder, key[2]) if folder is not None else None
        return here

    def _quieten(self, key: bytes) -> None:
        """Let the kernel ignore a busy foreign folder, but for renames, which may lead into a tree."""
        if self._ignored is None:
            return
        if self._ignored >= IGNORED:
            self._see_ignored()
        group, fd = self._groups.get(key[:FSID]), self._handles.open(key[:FSID], key[FSID:])
        if group is None or fd is None:
            return
        try:
            group.ignore(fd, _QUIET | (_MOVED if self._renames == _MOVED else 0))
            self._ignored += 1
        except OSError as error:
            if error.errno == errno.EINVAL:
                self._ignored = None  # a kernel before 6.0
        finally:
            os.close(fd)

    def _see_ignored(self) -> None:
        if self._ignored:
            self._ignored = 0
            for group in self._groups.values():
                group.see_ignored()


def _standing(root: bytes) -> Path:
    """Return root, or what is there of the way to it."""
    path = Path(os.fsdecode(root))
    return next(there for there in (path, *path.parents) if is_folder(there))


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder if name in (b"", b".") else folder.rstrip(b"/") + b"/" + name


def _with_former(raw: Raw, former: Raw) -> Raw:
    """Return raw with the name that the file had before an earlier rename to the same one."""
    return Raw(
        *(raw.mask | former.mask, raw.pid, raw.fsid, raw.handle, raw.name, raw.object),
        *(former.former_handle, former.former_name),
    )
