"""One thread for watch's disk work, one job at a time: a slow or stuck disk never stops the reading."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Keeper(Generic[T]):
    """Runs a job that returns T (and must not raise) and makes a descriptor readable when it is done."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._jobs: queue.SimpleQueue[Callable[[], T] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)
        self._thread.start()
        self.since: int | None = None
        """When the job at hand was given (monotonic ns); None while idle."""

    @property
    def idle(self) -> bool:
        """Whether a job may be given."""
        return self.since is None

    def fileno(self) -> int:
        """Return the descriptor that is readable once a result is there."""
        return self._event

    def drain(self) -> None:
        """Empty the descriptor, once it was readable; the result is there then."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._event)

    def give(self, job: Callable[[], T], now: int) -> None:
        """Start job; only while idle."""
        if not self.idle:
            raise RuntimeError("the keeper has a job already")
        self.since = now
        self._jobs.put(job)

    def result(self, timeout: float | None = 0.0) -> T | None:
        """Return the result of the job if it is done within timeout seconds, and be idle again."""
        try:
            done = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
        except queue.Empty:
            return None
        self.since = None
        return done

    def close(self) -> None:
        """End the thread after the job at hand; does not wait for one that is stuck."""
        self._jobs.put(None)
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            os.close(self._event)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._results.put(job())
            os.eventfd_write(self._event, 1)
