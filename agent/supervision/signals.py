"""SIGTERM, SIGINT and SIGUSR2 as a readable descriptor and a reason; SIGUSR1 as a wish for a self-test.

Work that may be ended anywhere and waits for others, as ship's does, can ask for an exception instead.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

HAND_OVER = signal.SIGUSR2.name
"""Asks watch to end without a farewell and to leave its rings to the next start, as an upgrade does."""
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_READ = 4096
TEST = signal.SIGUSR1
"""Asks watch to let every sensor see its own trigger."""


class Stopped(BaseException):
    """A signal came during `interruptible` work, or `limited` work took too long."""


class StopSignals:
    """Catches the signals that ask for an end, from construction until `close`."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._raising = False
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._caught) for number in _STOPPING}
        self._before[TEST] = signal.signal(TEST, self._wished)
        self._test = False

    def fileno(self) -> int:
        """Return the descriptor that is readable once a signal came."""
        return self._reading

    def drain(self) -> None:
        """Empty the descriptor."""
        with suppress(BlockingIOError):
            os.read(self._reading, _READ)

    def reason(self) -> str | None:
        """Return the name of the signal that came; None while none did."""
        return self._name

    def take_test(self) -> bool:
        """Return whether a self-test was wished since the last call."""
        wished, self._test = self._test, False
        return wished

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal end what runs inside, also where it waits for an answer.

        Raises:
            Stopped: a signal came, now or before.
        """
        self._raising = True
        try:
            if self._name is not None:
                raise Stopped
            yield
        finally:
            self._raising = False

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Let what runs inside take so long at most; it is ended then without an error."""
        before = signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            with suppress(Stopped):
                yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def close(self) -> None:
        """Put back what was there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._reading)
        os.close(self._writing)

    def _wished(self, _number: int, _frame: FrameType | None) -> None:
        self._test = True

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self._name = signal.Signals(number).name
        if self._raising:
            self._raising = False
            raise Stopped


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
