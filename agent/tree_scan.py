"""Look at every file of a tree, in small steps, and watch each of its folders on the way."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

from evidence.kind import Body

from .baseline import Baseline
from .file_history import FileHistory, Sight
from .tree_change import TreeChanges, Trees


class TreeScan:
    """What was not there any more, could not be watched or listed, is counted in lost."""

    def __init__(self, history: FileHistory, baseline: Baseline, changes: TreeChanges, trees: Trees) -> None:
        self._history = history
        self._baseline = baseline
        self._changes = changes
        self._trees = trees
        self.lost: Counter[str] = Counter()

    def scan(self, root: bytes, sight: Sight) -> Generator[int | Body, None, None]:
        """Yield bytes read, 0 after each file, and events; a folder is watched before it is listed."""
        folders = [root] if (yield from self._enter(root, sight)) else []
        while folders:
            folder = folders.pop()
            try:
                self._changes.add_folder(folder)
            except OSError:
                self.lost["folder not watched"] += 1
            try:
                names = {entry.name for entry in os.scandir(folder)}
            except OSError:
                self.lost["folder not listed"] += 1
                continue
            gone = self._baseline.names(folder) - names
            for name in (*sorted(names), *sorted(gone)):
                path = folder.rstrip(b"/") + b"/" + name
                if (yield from self._enter(path, sight)):
                    folders.append(path)

    def _enter(self, path: bytes, sight: Sight) -> Generator[int | Body, None, bool]:
        """Look at path; return whether it is a folder to go into."""
        if self._trees.excludes(path):
            return False
        state = yield from self._history.look(path, sight)
        yield 0
        return state is not None and state.type == "dir"
