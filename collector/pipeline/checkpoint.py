"""The engine's state on disk, for the next start: a forked child writes it, while folding goes on.

The child has the memory as it was at the fork, and what it writes takes the former's place once it is whole
and the lake has all rows up to its position. Whatever breaks off, the former stays: a restart folds more.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..lake import forked

_TIMES = 50
"""So many times as long as one took, none is made: of 100,000 sessions it takes a second of another core."""
_NICE = 10
_log = logging.getLogger(__name__)
Pieces = Iterable[bytes]
"""The state, in pieces that are written one after the other."""


@dataclass(frozen=True)
class _Child:
    pid: int
    position: int
    began: float


class Checkpoint:
    """One file, and the child that may be writing its next content. To be used by one thread."""

    def __init__(self, path: Path, every: float) -> None:
        """Keep the state in path; a new one is begun every so many seconds."""
        self._path, self._fresh, self._every = path, path.with_name(f"{path.name}.new"), every
        self._begun, self._rest = time.monotonic(), 0.0
        self._child: _Child | None = None
        self._fresh.unlink(missing_ok=True)

    def load(self) -> bytes:
        """Return the state that was kept last.

        Raises:
            OSError: there is none, or it cannot be read.
        """
        return self._path.read_bytes()

    def is_due(self, now: float) -> bool:
        """Tell whether to begin another; now is of the monotonic clock, in seconds."""
        return self._child is None and now >= self._begun + max(self._every, self._rest)

    def begin(self, dump: Callable[[], Pieces], position: int) -> None:
        """Have what dump returns now, the state at a position of the ledger, written by a child."""
        self._begun = time.monotonic()
        try:
            pid = forked.start("vedette-state", lambda: self._be(dump))
        except OSError as error:
            self._warn(error.strerror)
        else:
            self._child = _Child(pid, position, self._begun)

    def _be(self, dump: Callable[[], Pieces]) -> None:
        gc.disable()  # it would write to all memory, which is shared only as long as nobody writes
        with contextlib.suppress(OSError):  # the unit may forbid either
            os.nice(_NICE)
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")  # it is what can be spared most
        files.write(self._fresh, dump())

    def keep(self, stored: int) -> None:
        """Let a state that is written take its place, if the lake has what the ledger has up to stored."""
        child = self._child
        if child is None or child.position > stored:
            return
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            return
        self._child, self._rest = None, _TIMES * (time.monotonic() - child.began)
        if status != 0:
            self._warn(f"its process ended with {os.waitstatus_to_exitcode(status)}")
            return
        try:
            self._fresh.replace(self._path)
            files.sync_folder(self._path.parent)
        except OSError as error:
            self._warn(error.strerror)

    def write(self, pieces: Pieces) -> None:
        """Keep this state now; the lake has all rows up to its position."""
        self.close()
        try:
            files.write(self._path, pieces)
        except OSError as error:
            self._warn(error.strerror)
        self._begun = time.monotonic()

    def close(self) -> None:
        """End the child, if there is one; what it has not finished is lost."""
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGKILL)
            os.waitpid(self._child.pid, 0)
            self._child = None

    def _warn(self, why: str | None) -> None:
        _log.warning("%s: %s; a restart will take longer", self._path, why)
