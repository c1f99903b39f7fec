"""Changes in trees by watchdog (inotify on Linux), without who made them; the one user of watchdog.

watchdog reads in threads of its own; they fill a bounded queue and wake the loop through an eventfd. A full
queue, and an overflow that watchdog itself reports in its log, are told as lost.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress

from watchdog.events import FileSystemEvent, FileSystemEventHandler, FileSystemMovedEvent
from watchdog.observers import Observer

from ..errors import RungUnavailable
from ..tree_access import is_folder
from ..tree_change import TreeChange, TreeNews, Trees

QUEUE = 65_536
_HARMLESS = ("opened", "closed_no_write")


class WatchedTrees(FileSystemEventHandler):
    """One observer over all trees; folders that appear are watched by watchdog itself."""

    def __init__(self, trees: Trees) -> None:
        """Start the observer.

        Raises:
            RungUnavailable: there can be no watch on a tree.
        """
        self._queue: deque[TreeChange] = deque()
        self._lost = False
        self._roots = trees.roots
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._log = _Overflows(self)
        logging.getLogger("watchdog").addHandler(self._log)
        self._observer = Observer()
        self._watched = {root for root in trees.roots if is_folder(root)}
        self.unwatched = tuple(root for root in trees.roots if root not in self._watched)
        try:
            for root in self._watched:
                self._observer.schedule(self, os.fsdecode(root), recursive=True)
            self._observer.start()
        except OSError as error:
            self.close()
            raise RungUnavailable(
                f"watchdog: {error}", "sysctl -w fs.inotify.max_user_watches=524288"
            ) from error

    def filenos(self) -> tuple[int, ...]:
        """Return the eventfd."""
        return (self._wake,)

    def add_folder(self, folder: bytes) -> None:
        """Watch a folder outside the trees; those inside are watched already.

        Raises:
            OSError: folder is gone, or there can be no more watches.
        """
        if not any(folder == root or folder.startswith(root + b"/") for root in self._watched):
            self._observer.schedule(self, os.fsdecode(folder), recursive=False)
            self._watched.add(folder)

    def narrow(self) -> bool:
        """Nothing is seen of other places."""
        return False

    def read(self) -> TreeNews:
        """Return the changes since the last call, and all roots if some were lost: of which is not told."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        lost, self._lost = self._lost, False
        changes: dict[bytes, TreeChange] = {}
        for _ in range(len(self._queue)):
            change = self._queue.popleft()
            former = changes.get(change.path)
            if former is None or not former.appeared:
                changes[change.path] = change
        return TreeNews(tuple(changes.values()), self._roots if lost else ())

    def close(self) -> None:
        """Stop the observer."""
        logging.getLogger("watchdog").removeHandler(self._log)
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
        os.close(self._wake)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Queue where it happened; called by watchdog's thread."""
        if event.event_type in _HARMLESS:
            return
        if isinstance(event, FileSystemMovedEvent):
            self._put(TreeChange(os.fsencode(event.dest_path), appeared=True))
        self._put(TreeChange(os.fsencode(event.src_path), appeared=event.event_type == "created"))
        os.eventfd_write(self._wake, 1)

    def tell_lost(self) -> None:
        """Note that changes were lost; called by watchdog's thread."""
        self._lost = True
        os.eventfd_write(self._wake, 1)

    def _put(self, change: TreeChange) -> None:
        if len(self._queue) < QUEUE:
            self._queue.append(change)
        else:
            self._lost = True


class _Overflows(logging.Handler):
    """watchdog tells of an overflow of inotify's queue in its log, and nowhere else."""

    def __init__(self, watched: WatchedTrees) -> None:
        super().__init__(logging.WARNING)
        self._watched = watched

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on that changes were lost."""
        if "overflow" in record.getMessage():
            self._watched.tell_lost()
