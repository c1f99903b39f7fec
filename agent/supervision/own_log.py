"""The log of the supervisor and all it starts, in which no message repeats without end.

The children's stderr is a pipe that the supervisor reads: a child that dies and comes back says the same
again and again, and only who outlives it can count that. A part that no supervisor started reads its own.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .log_limit import LogLimit

_STDERR = 2
_READ = 64 << 10
_LINE = 4096
"""Bytes of a line; a longer one is cut into several."""


class OwnLog:
    """write is given each line that may be written."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._limit = LogLimit()
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reading, False)
        self._partial = b""

    def fileno(self) -> int:
        """Return the descriptor that is readable when a child has said something."""
        return self._reading

    def say(self, line: str) -> None:
        """Log a line of the supervisor's own."""
        self._all(self._limit.take(line, time.monotonic()))

    def adopt_stderr(self) -> None:
        """Be the stderr of this process, a child."""
        os.dup2(self._writing, _STDERR)

    def drain(self) -> None:
        """Log what children have said."""
        while raw := self._read():
            *lines, self._partial = (self._partial + raw).split(b"\n")
            if len(self._partial) > _LINE:
                lines.append(self._partial)
                self._partial = b""
            for line in lines:
                for at in range(0, len(line), _LINE):
                    self.say(line[at : at + _LINE].decode("utf-8", "backslashreplace"))

    def pause(self) -> float | None:
        """Return the seconds until there is something to say of what was kept back; None: nothing is."""
        return self._limit.pause(time.monotonic())

    def tell_kept_back(self) -> None:
        """Say how much was kept back in intervals that are over."""
        self._all(self._limit.due(time.monotonic()))

    def close(self) -> None:
        """Log what is left, and how much was kept back."""
        os.close(self._writing)
        self.drain()
        if self._partial:
            self.say(self._partial.decode("utf-8", "backslashreplace"))
        self._all(self._limit.rest())
        os.close(self._reading)

    def _read(self) -> bytes:
        try:
            return os.read(self._reading, _READ)
        except BlockingIOError:
            return b""

    def _all(self, lines: list[str]) -> None:
        for line in lines:
            self._write(line)


@contextmanager
def limited() -> Iterator[None]:
    """Limit what this process, and all that it starts, says on stderr meanwhile."""
    stderr = os.dup(_STDERR)
    ended = os.eventfd(0, os.EFD_CLOEXEC)
    log = OwnLog(lambda line: _write(stderr, line))
    reader = threading.Thread(target=_follow, args=(log, ended), name="own-log", daemon=True)
    reader.start()
    log.adopt_stderr()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, _STDERR)
        os.eventfd_write(ended, 1)
        reader.join()
        log.close()
        os.close(ended)
        os.close(stderr)


def _follow(log: OwnLog, ended: int) -> None:
    """Log what is said until it ended."""
    ready: list[int] = []
    while ended not in ready:
        ready, _, _ = select.select([log.fileno(), ended], [], [], log.pause())
        log.drain()
        log.tell_kept_back()


def _write(descriptor: int, line: str) -> None:
    with suppress(OSError):  # nobody reads any more
        os.write(descriptor, line.encode("utf-8", "backslashreplace") + b"\n")
