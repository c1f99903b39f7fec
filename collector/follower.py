"""Looks at something again and again in a thread of its own, so that whoever asks for news never waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Follower(Generic[T]):
    """Calls follow in its thread, every so many seconds, and hands on what that returns."""

    def __init__(self, name: str, follow: Callable[[], T | None], every: float) -> None:
        self._name, self._follow, self._every = name, follow, every
        self._looked = time.monotonic()
        self._reader = ThreadPoolExecutor(1, name)
        self._looking: Future[T | None] | None = None

    def look(self) -> T | None:
        """Return what the last look brought, if it brought something and was not asked for before."""
        if self._looking is None:
            if time.monotonic() >= self._looked + self._every:
                self._looked = time.monotonic()
                self._looking = self._reader.submit(self._follow)
            return None
        if not self._looking.done():
            return None
        done, self._looking = self._looking, None
        if (error := done.exception()) is not None:
            _log.error("%s: could not be read: %r", self._name, error)
            return None
        return done.result()

    def close(self) -> None:
        """End the thread."""
        self._reader.shutdown()
