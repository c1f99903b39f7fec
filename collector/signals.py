"""Signals of a supervising process: a flag to stop, and a wait that any of them ends.

By handlers and not by a mask: a mask holds for one thread, libraries start others, and a signal that one of
them takes would end the process.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Self

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """While it is entered: stop is whether SIGTERM or SIGINT came. SIGHUP only ends a wait."""

    def __init__(self) -> None:
        self.stop = False

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._caught) for number in _HANDLED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait until a signal comes, seconds at most."""
        if select.select((self._reading,), (), (), seconds)[0]:
            os.read(self._reading, 4096)

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self.stop = self.stop or number in _STOPPING


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Hold signals back around a fork: one that came to the child before `restore` would be the parent's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def restore() -> None:
    """In a forked child: take signals as a process of its own does, those that were held back first."""
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
