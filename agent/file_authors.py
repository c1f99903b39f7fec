"""Who wrote the files whose state is told: joins what the file sensor saw with what the state sensor tells.

The state sensor names the files that it reads; a file event of one of them is remembered with its actor and
package, and marked, so that one act is judged once: by what the file says, not by its having been written.
"""

from __future__ import annotations

from collections import OrderedDict
from fnmatch import fnmatchcase

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds import file

REMEMBERED = 512
PATIENCE = 2_000_000_000
"""Nanoseconds for which a change that was seen may be on its way to who tells what the file says."""

_WRITES = (file.Create, file.Change, file.Rename, file.Delete)
Write = file.Create | file.Change | file.Rename | file.Delete


class Author(msgspec.Struct, frozen=True):
    """Who wrote a file last, at mono (ns), and which package explains it."""

    mono: int
    actor: Actor | None = None
    explained_by: file.Explanation | None = None


class Authors:
    """What the two sensors tell each other; empty while one of them does not work."""

    def __init__(self) -> None:
        self._covered: dict[str, dict[str, set[str]]] = {}
        self._recent: OrderedDict[str, Author] = OrderedDict()
        self._expected: OrderedDict[str, int] = OrderedDict()

    def cover(self, source: str, places: list[tuple[str, str]]) -> None:
        """Take the (folder, pattern of names) that a source reads, in place of those before."""
        for patterns in self._covered.values():
            patterns.pop(source, None)
        for folder, pattern in places:
            self._covered.setdefault(folder, {}).setdefault(source, set()).add(pattern)
        self._covered = {folder: patterns for folder, patterns in self._covered.items() if patterns}

    def covers(self, path: str) -> bool:
        """Return whether the state of what stands at path is told."""
        folder, _, name = path.rpartition("/")
        patterns = self._covered.get(folder or "/")
        return patterns is not None and any(
            fnmatchcase(name, pattern) for some in patterns.values() for pattern in some
        )

    def expect(self, path: str, mono: int) -> None:
        """Note that path changed at mono (ns): what happened, and who did it, is being looked into."""
        if self.covers(path):
            self._expected.setdefault(path, mono)
            if len(self._expected) > REMEMBERED:
                self._expected.popitem(last=False)

    def settle(self, path: str) -> None:
        """Note that path was looked at, so that nothing more comes of it."""
        self._expected.pop(path, None)

    def expects(self, source: str, mono: int) -> bool:
        """Return whether a file of source changed shortly before mono (ns), and it is not known by whom."""
        while self._expected and mono - next(iter(self._expected.values())) > PATIENCE:
            self._expected.popitem(last=False)
        return any(self._reads(source, path) for path in self._expected)

    def learn(self, body: Body, mono: int) -> Body:
        """Return a file event marked where its file's state is told; remember who wrote it at mono (ns)."""
        if not isinstance(body, _WRITES) or not self.covers(body.path):
            return body
        self._recent[body.path] = Author(mono, body.actor, body.explained_by)
        self._recent.move_to_end(body.path)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return msgspec.structs.replace(body, told_by="state.changed")

    def _reads(self, source: str, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        patterns = self._covered.get(folder or "/", {}).get(source, ())
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    def of(self, path: str, since: int) -> Author | None:
        """Return who wrote path at since (ns) or later; None where no file event told of that."""
        found = self._recent.get(path)
        return found if found is not None and found.mono >= since else None
