"""Ship's part in policies: ask what is offered to this host, hand it to watch, read nothing of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from evidence import endpoints
from evidence.policy import BUNDLE_LIMIT

from ..spool.disk import Disk
from .delivery import Reply

Get = Callable[[str, dict[str, str]], Reply]
"""Asks the ingest listener for a path, with headers; never raises."""
_OK = 200
_NEVER = 3600.0
_NONE = hashlib.sha256(b"").hexdigest()


class PolicyFetcher:
    """Fetches now and then. every is the seconds between two questions; None: this host wants no policy."""

    def __init__(
        self, handed: Path, get: Get, disk: Disk, *, every: float | None, chance: Callable[[], float]
    ) -> None:
        """Take where to hand over, the network, and a source of numbers in [0, 1)."""
        self._handed, self._get, self._disk = handed, get, disk
        self._every, self._chance = every, chance
        self._next = 0.0
        self._known = self._former()

    def tick(self, now: float) -> float:
        """Ask if it is time (monotonic seconds); return the seconds until the next call is worth it."""
        if self._every is None:
            return _NEVER
        if now < self._next:
            return self._next - now
        pause = self._every * (0.75 + self._chance() / 2)  # or a fleet that starts at once asks at once
        self._next = now + pause
        reply = self._get(endpoints.POLICY, {endpoints.KNOWN_POLICY: self._known})
        if reply.status == _OK and 0 < len(reply.body) <= BUNDLE_LIMIT:
            try:
                self._disk.replace(self._handed, reply.body, durable=False)
            except OSError:
                return pause  # asked for again, since it is not known yet
            self._known = hashlib.sha256(reply.body).hexdigest()
        return pause

    def _former(self) -> str:
        """Return the digest of what a former run handed over."""
        try:
            return hashlib.sha256(self._disk.read(self._handed, 0, BUNDLE_LIMIT)).hexdigest()
        except OSError:
            return _NONE
