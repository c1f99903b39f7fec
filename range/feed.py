"""The alerts of a site as an analyst sees them arise: `vedette alerts --follow`, each with its time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .score import Seen
from .site import Site, stop


class Feed:
    """Alerts in the order in which they came; safe to read while more come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []

    def add(self, line: str, at: float) -> None:
        """Take one line of JSON."""
        with self._lock:
            self._seen.append(Seen(json.loads(line), at))

    def seen(self) -> list[Seen]:
        """Return what came so far."""
        with self._lock:
            return list(self._seen)

    def wait(self, enough: Callable[[list[Seen]], bool], until: float) -> None:
        """Return as soon as enough says so, at the latest at a UTC time in seconds."""
        while time.time() < until and not enough(self.seen()):
            time.sleep(0.1)


@contextmanager
def following(site: Site) -> Iterator[Feed]:
    """Follow the alerts of a site until the end of the block."""
    feed = Feed()
    process = site.stream("vedette", "alerts", "--follow", "--json")
    reader = threading.Thread(target=_read, args=(process.stdout, feed), daemon=True)
    reader.start()
    try:
        yield feed
    finally:
        stop(process)
        reader.join()


def _read(lines: Iterator[str], feed: Feed) -> None:
    for line in lines:
        feed.add(line, time.time())
