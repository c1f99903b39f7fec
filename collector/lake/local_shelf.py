"""The lake, opened by this process, as what the pipeline stores to."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from ..rules.rulebook import Book
from . import generation, snapshot
from .lake import Lake
from .shelf import Commit

GRACE_SECONDS = 900
"""How long merged and replaced files stay for readers of an older snapshot."""
_log = logging.getLogger(__name__)


class LocalShelf:
    """Implements `Shelf` with the lake in a folder."""

    def __init__(self, folder: Path, readers: Path) -> None:
        """Open the lake in folder; readers is the path of the snapshot file.

        Raises:
            StoreError: it cannot be opened, or is damaged.
        """
        self._root, self._readers = folder.parent, readers
        self._lake = Lake(folder)
        self.position = self._lake.position
        self.stored_alerts = self._lake.stored_alerts
        self.close = self._lake.close

    def commit(self, commit: Commit) -> None:
        """Store rows and position together; see `Shelf`."""
        self._lake.commit(commit)

    def publish(self, book: Book, now: int, position: int | None = None) -> None:
        """Write what readers see; if that fails they see the former for now, and nothing is lost."""
        at = self._lake.position() if position is None else position
        try:
            shown = msgspec.structs.replace(self._lake.snapshot(at, now), book=book)
            snapshot.write(self._readers, shown)
        except OSError as error:
            _log.warning("%s: %s; readers see the former snapshot", self._readers, error.strerror)

    def tend(self, now: int) -> None:
        """Merge small files and drop old ones; see `Shelf`."""
        self._lake.clean(GRACE_SECONDS)
        generation.drop_others(self._root, now / 1e9, GRACE_SECONDS)
        self._lake.merge()
