"""The contract of what reports that something in the watched trees changed: where, by whom, never what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec


class TreeChange(msgspec.Struct, frozen=True, gc=False):
    """Something happened to path. pid is None where it is not told; appeared: a new name, not new content.

    former and latter are the other name of a rename, where the source tells it. first is who did something to
    path before pid did, where that was another.
    """

    path: bytes
    pid: int | None = None
    appeared: bool = False
    former: bytes | None = None
    latter: bytes | None = None
    first: int | None = None


class TreeNews(msgspec.Struct, frozen=True, gc=False):
    """What one reading brought: changes, roots whose changes were lost, and records about other places.

    more: not all that waits was read, so as not to hold it all at once.
    """

    changes: tuple[TreeChange, ...] = ()
    lost: tuple[bytes, ...] = ()
    foreign: int = 0
    more: bool = False


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

    def read(self) -> TreeNews:
        """Return what came since the last call; roots whose changes were lost are to be looked at again."""
        ...

    def narrow(self) -> bool:
        """See less of other places from now on, if that can be: the roots are then to be looked at again."""
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
        self._excluded = frozenset(self._exclude), tuple(map(_below, self._exclude))
        self._inside = tuple(map(_below, self.roots))
        self._within = tuple(zip(self.roots, self._inside, strict=True))

    def holds(self, path: bytes) -> bool:
        """Return whether path is in a tree and not excluded."""
        return (path in self.roots or path.startswith(self._inside)) and not self.excludes(path)

    def root_of(self, path: bytes) -> bytes | None:
        """Return the tree that holds path; None when none does."""
        for root, inside in self._within:
            if path.startswith(inside) or path == root:
                return None if self.excludes(path) else root
        return None

    def excludes(self, path: bytes) -> bool:
        """Return whether path, or a folder it is in, is excluded."""
        exact, below = self._excluded
        return path in exact or path.startswith(below)

    def excludes_below(self, folder: bytes) -> bool:
        """Return whether anything that is excluded lies in folder, at any depth, or is folder."""
        return any(_is_within(root, folder) for root in self._exclude) or self.excludes(folder)


def _is_within(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(_below(root))


def _below(folder: bytes) -> bytes:
    """Return what every path in folder begins with."""
    return folder.rstrip(b"/") + b"/"
