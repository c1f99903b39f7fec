"""Look at every file of a tree, in small steps, and watch each of its folders on the way.

A folder's names are taken a page at a time and held against what is known of them, read in one query: a file
that did not change costs one stat, and one that a first baseline does not know is opened at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from typing import NamedTuple

from evidence.kind import Body

from ..kernel.file_state import CHUNK, Looked, quick_state, read_ahead
from ..kernel.no_follow import open_folder
from ..tree_change import TreeChanges, Trees
from .baseline import Baseline, Row, glimpse
from .file_history import FileHistory, Place, Sight

PAGE = 256
"""Names that are held against the baseline at once."""

_FILES = 16
"""Small files of one step, about half a millisecond."""


_AHEAD = 32
"""Files that are fetched together: 2 MiB at most."""


class Step(NamedTuple):
    """What a step of a scan took."""

    files: int
    bytes: int


Steps = Generator[Step | Body, None, None]


class _Folder(NamedTuple):
    """A folder that is being listed; checked: something below it is excluded."""

    path: bytes
    fd: int
    checked: bool


class TreeScan:
    """What was not there any more, could not be watched or listed, is counted in lost."""

    def __init__(self, history: FileHistory, baseline: Baseline, changes: TreeChanges, trees: Trees) -> None:
        self._history = history
        self._baseline = baseline
        self._changes = changes
        self._trees = trees
        self.lost: Counter[str] = Counter()

    def look(self, path: bytes, sight: Sight) -> Steps:
        """Yield what it took to look at path alone, and events."""
        yield from told(self._history.look(path, sight))

    def scan(self, root: bytes, sight: Sight) -> Steps:
        """Yield what each step took, and events; a folder is watched before it is listed."""
        if self._trees.excludes(root):
            return
        looked = yield from told(self._history.look(root, sight))
        folders = [root] if _is_folder(looked) else []
        sight = Sight(sight.found, sight.actor, quiet=sight.quiet, appeared=sight.appeared, late=sight.late)
        while folders:
            below = yield from self._enter(folders.pop(), sight)
            folders += reversed(below)

    def _enter(self, path: bytes, sight: Sight) -> Generator[Step | Body, None, list[bytes]]:
        """Watch and list a folder, look at what is in it; return the folders that are."""
        try:
            self._changes.add_folder(path)
        except (FileNotFoundError, NotADirectoryError):
            return []  # it went, which its own parent tells
        except OSError:
            self.lost["folder not watched"] += 1
        try:
            fd = open_folder(path)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            self.lost["folder not listed"] += 1
            return []
        try:
            return (yield from self._list(_Folder(path, fd, self._trees.excludes_below(path)), sight))
        finally:
            os.close(fd)

    def _list(self, folder: _Folder, sight: Sight) -> Generator[Step | Body, None, list[bytes]]:
        try:
            with os.scandir(folder.fd) as entries:
                names = sorted((os.fsencode(one.name), one.is_file(follow_symlinks=False)) for one in entries)
        except OSError:
            self.lost["folder not listed"] += 1
            return []
        below: list[bytes] = []
        after = b""
        for at in range(0, len(names) or 1, PAGE):
            page = names[at : at + PAGE]
            last = at + PAGE >= len(names)
            known = self._baseline.glance(folder.path, after, None if last else page[-1][0])
            below += yield from self._page(folder, page, known, sight)
            after = page[-1][0] if page else after
        return below

    def _page(
        self, folder: _Folder, page: list[tuple[bytes, bool]], known: dict[bytes, Row], sight: Sight
    ) -> Generator[Step | Body, None, list[bytes]]:
        below: list[bytes] = []
        files = read = 0
        for at, (name, regular) in enumerate(page):
            if at % _AHEAD == 0 and sight.quiet and not folder.checked:
                read_ahead(
                    folder.fd, (one for one, file in page[at : at + _AHEAD] if file and one not in known)
                )
            row = known.pop(name, None)
            if folder.checked and self._trees.excludes(_join(folder.path, name)):
                continue
            if row is None and regular and sight.quiet:
                looked = yield from told(self._history.learn(folder.fd, folder.path, name))
            else:
                looked = yield from self._hold(folder, name, row, sight)
            files += 1
            if looked is not None:
                read += looked.read
                if looked.state.type == "dir":
                    below.append(_join(folder.path, name))
            if files >= _FILES or read >= CHUNK:
                yield Step(files, read)
                files = read = 0
        for name in known:
            path = _join(folder.path, name)
            if not (folder.checked and self._trees.excludes(path)):
                yield from told(self._history.compare(Place(path, folder.fd, name), sight))
        yield Step(files, read)
        return below

    def _hold(
        self, folder: _Folder, name: bytes, row: Row | None, sight: Sight
    ) -> Generator[Step | Body, None, Looked | None]:
        """Hold a file against what a glance at the baseline showed; compare in full what differs."""
        now = quick_state(folder.fd, name)
        if now is not None and row == glimpse(now.state, now.ctime):
            return now
        place = Place(_join(folder.path, name), folder.fd, name)
        return (yield from told(self._history.compare(place, sight)))


def told(
    work: Generator[int | Body, None, Looked | None],
) -> Generator[Step | Body, None, Looked | None]:
    """Pass on what work yields, its bytes as steps; return what it returns."""
    while True:
        try:
            step = next(work)
        except StopIteration as done:
            looked: Looked | None = done.value
            return looked
        yield Step(0, step) if isinstance(step, int) else step


def _is_folder(looked: Looked | None) -> bool:
    return looked is not None and looked.state.type == "dir"


def _join(folder: bytes, name: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + name
