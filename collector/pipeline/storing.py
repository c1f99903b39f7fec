"""What was folded goes to the lake: one thread hands over and publishes, one waits for merges meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from ..alert import Alert
from ..errors import StoreError, StoreGone
from ..lake.shelf import Commit, Shelf
from ..rules import costs
from ..rules.costs import Measured
from ..rules.rulebook import Book
from . import tables
from .fold import Folded

_TRIES = 30
_log = logging.getLogger(__name__)


class Pending:
    """What was folded and is not yet handed to the lake."""

    def __init__(self) -> None:
        self.folded: list[Folded] = []
        self.alerts: list[Alert] = []
        self.rows = 0
        self.entries = 0

    def add(self, folded: Folded | None, alerts: Sequence[Alert]) -> None:
        """Take what one entry gave."""
        self.entries += 1
        self.alerts.extend(alerts)
        if folded is not None:
            self.folded.append(folded)
            self.rows += len(folded.persons)


class Point(msgspec.Struct, frozen=True):
    """How far the fold is: the next entry to read, and what was decided of rules."""

    position: int
    book: Book


class Storing:
    """The lake and its two threads; rows and position are one transaction."""

    def __init__(
        self,
        folder: Path,
        readers: Path,
        *,
        clock: Callable[[], int],
        notify: Callable[[Sequence[Alert]], None] | None,
        stop: threading.Event,
        open_shelf: Callable[[Path, Path], Shelf],
    ) -> None:
        """Open the lake in folder; readers is the path of the snapshot file. Nothing is retried after stop.

        open_shelf is called with both, before there are threads.

        Raises:
            StoreError: the lake cannot be opened, or is damaged.
        """
        self._readers, self._clock = readers, clock
        self._notify, self._stop = notify, stop
        self._shelf = open_shelf(folder, readers)
        self._storer = ThreadPoolExecutor(1, "store")
        self._merger = ThreadPoolExecutor(1, "merge")
        self._storing: Future[None] | None = None
        self._merging: Future[None] | None = None
        self._merged, self._began = time.monotonic(), clock()
        self._book = Book()

    def position(self) -> int:
        """Return the index of the first entry the lake does not have."""
        return self._shelf.position()

    def begin(self, book: Book) -> None:
        """Write what readers see at the start."""
        self._book = book
        self._publish()

    def commit(self, pending: Pending, point: Point) -> None:
        """Have it stored, once the former is.

        Raises:
            StoreError: the former could not be stored.
        """
        self.settle()
        self._storing = self._storer.submit(self._store, pending, point)

    def between(self, work: Callable[[], None]) -> None:
        """Have work done between two commits; it raises nothing."""
        self._storer.submit(work)

    def tell(self, measured: Measured) -> None:
        """Have readers told what rules cost since the start."""
        self._storer.submit(self._tell, measured)

    def _tell(self, measured: Measured) -> None:
        path = costs.beside(self._readers)
        try:
            costs.write(path, measured, self._began, self._clock())
        except OSError as error:
            _log.warning("%s: %s; readers see former costs", path, error.strerror)

    def settle(self) -> None:
        """Wait for the commit under way.

        Raises:
            StoreError: it could not be stored.
        """
        if self._storing is not None:
            self._storing.result()
            self._storing = None

    def _store(self, pending: Pending, point: Point) -> None:
        rows, texts = tables.rows(pending.folded), tables.texts(pending.folded)
        for attempt in range(1, _TRIES + 1):
            try:
                fresh = self._unknown(pending.alerts)
                whole = {**rows, "alerts": tables.alerts(fresh)}
                self._shelf.commit(Commit(whole, point.position, texts))
                break
            except StoreError as error:
                if isinstance(error, StoreGone) or attempt == _TRIES or self._stop.wait(1.0):
                    raise
                _log.warning("commit failed, trying again: %s", error)
        self._book = point.book
        self._publish(point.position)
        if self._notify is not None and fresh:
            self._notify(fresh)

    def _unknown(self, alerts: list[Alert]) -> list[Alert]:
        """Return alerts without those that are stored, each revision once: two may share an id."""
        by_id = {(alert.id, alert.revision): alert for alert in alerts}
        stored = self._shelf.stored_alerts(alert.id for alert in alerts) if alerts else set()
        return [alert for key, alert in by_id.items() if key not in stored]

    def _publish(self, position: int | None = None) -> None:
        self._shelf.publish(self._book, self._clock(), position)

    def tend(self, now: float, merge_seconds: float) -> None:
        """Merge small files and drop old ones every merge_seconds in the background; then publish.

        Raises:
            StoreError: the commit under way could not be stored.
        """
        if self._merging is not None and self._merging.done():
            done, self._merging = self._merging, None
            error = done.exception()
            if error is not None:
                _log.warning("merging failed, the lake is whole: %s", error)
            self.settle()
            self._storing = self._storer.submit(self._publish)
        if self._merging is None and now >= self._merged + merge_seconds:
            self._merged = now
            self._merging = self._merger.submit(self._shelf.tend, self._clock())

    def close(self) -> None:
        """End the threads and close the lake."""
        self._storer.shutdown()
        self._merger.shutdown()
        self._shelf.close()
