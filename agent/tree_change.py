"""The contract of what reports that something in the watched trees changed: where, by whom, never what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec


class TreeChange(msgspec.Struct, frozen=True, gc=False):
    """Something happened to path. pid is None where it is not told; appeared: a new name, not new content."""

    path: bytes
    pid: int | None = None
    appeared: bool = False


class TreeChanges(Protocol):
    """Changes below the folders that were added."""

    @property
    def unwatched(self) -> tuple[bytes, ...]:
        """The roots that were no folders when it was opened, and whose appearance would not be seen."""
        ...

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors to wait on."""
        ...

    def add_folder(self, folder: bytes) -> None:
        """See changes of what is directly in folder, from now on.

        Raises:
            OSError: folder is gone, or there can be no more watches.
        """
        ...

    def read(self) -> tuple[Iterable[TreeChange], bool]:
        """Return the changes since the last call, and whether some were lost: then look everywhere."""
        ...

    def close(self) -> None:
        """Give the watches back."""
        ...


class Trees:
    """The configured trees as bytes, less what is excluded; barred are those this user cannot read."""

    def __init__(
        self, trees: Iterable[bytes], exclude: Iterable[bytes], barred: Iterable[bytes] = ()
    ) -> None:
        self.roots = tuple(trees)
        self.barred = tuple(barred)
        self._exclude = tuple(exclude)

    def holds(self, path: bytes) -> bool:
        """Return whether path is in a tree and not excluded."""
        return any(_is_within(path, root) for root in self.roots) and not self.excludes(path)

    def excludes(self, path: bytes) -> bool:
        """Return whether path, or a folder it is in, is excluded."""
        return any(_is_within(path, root) for root in self._exclude)


def _is_within(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")
