"""Runs parts as child processes: starts them in order, restarts what dies, stops all on SIGTERM.

The children are forked, so that sockets bound beforehand outlive each of them: a restart drops no connection
that waits to be accepted, and a listener keeps its port.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .command import FAULT, FINE
from .errors import CollectorError
from .signals import Signals, blocked, restore

_PR_SET_PDEATHSIG = 1
_QUICK_SECONDS = 3.0
"""A child that lived shorter than this failed at its start: its next start waits twice as long."""
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 10.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_log = logging.getLogger("vedette.serve")


@dataclass(frozen=True)
class Part:
    """A child process. run is called in it with a function to say that it serves; it runs until SIGTERM."""

    name: str
    run: Callable[[Callable[[], None]], None]


@dataclass
class _Child:
    """How one part does. ready is the read end of the pipe on which it says so."""

    part: Part
    pid: int = 0
    ready: int = -1
    serves: bool = False
    started: float = 0.0
    failures: int = 0
    restart: float = 0.0


class Supervisor:
    """Keeps parts alive. changed is told the processes' ids whenever one begins, and whether all serve."""

    def __init__(self, parts: Sequence[Part], changed: Callable[[Mapping[str, int], bool], None]) -> None:
        self._children = [_Child(part) for part in parts]
        self._changed = changed
        self._complete = False

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code."""
        with Signals() as signals:
            try:
                return self._serve(signals)
            finally:
                self._stop(signals)

    def _serve(self, signals: Signals) -> int:
        while not signals.stop:
            self._start_what_is_due()
            signals.wait(_POLL_SECONDS if self._waits() else 3600.0)
            for child in self._children:
                self._hear(child)
            if not self._reap():
                return FAULT
        return FINE

    def _waits(self) -> bool:
        return any(not child.serves for child in self._children)

    def _start_what_is_due(self) -> None:
        """Start children whose time has come; at first one after the other, each once the former serves."""
        for child in self._children:
            if child.pid == 0 and time.monotonic() >= child.restart:
                self._fork(child)
            if not child.serves and not self._complete:
                return

    def _fork(self, child: _Child) -> None:
        child.ready, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        child.started, child.serves = time.monotonic(), False
        parent = os.getpid()
        with blocked():
            child.pid = os.fork()
            if child.pid == 0:
                _be(child.part, write, parent)
        os.close(write)
        self._tell()

    def _hear(self, child: _Child) -> None:
        """Learn whether a child serves by now."""
        if child.pid == 0 or child.serves:
            return
        with contextlib.suppress(BlockingIOError):
            child.serves = os.read(child.ready, 1) != b""
        if child.serves:
            _log.info("%s serves (process %d)", child.part.name, child.pid)
            self._complete = self._complete or not self._waits()
            self._tell()

    def _tell(self) -> None:
        processes = {child.part.name: child.pid for child in self._children if child.pid}
        self._changed(processes, not self._waits())

    def _reap(self) -> bool:
        """Take note of dead children; tell whether to go on: one that never served at first ends it all."""
        for child in self._children:
            if child.pid == 0:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            self._bury(child, status)
            if not self._complete:
                return False
        return True

    def _bury(self, child: _Child, status: int) -> None:
        os.close(child.ready)
        quick = time.monotonic() - child.started < _QUICK_SECONDS
        child.failures = child.failures + 1 if quick else 0
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2**child.failures)
        child.pid, child.serves, child.restart = 0, False, time.monotonic() + delay
        ended = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-ended}" if ended < 0 else f"ended with code {ended}"
        _log.error("%s %s; it starts again in %.1f s", child.part.name, how, delay)

    def _stop(self, signals: Signals) -> None:
        """End all children: ask them, wait, and kill what has not ended by then."""
        left = {child.pid for child in self._children if child.pid}
        _signal(left, signal.SIGTERM)
        end = time.monotonic() + _STOP_SECONDS
        while left and time.monotonic() < end:
            left = {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0] == 0}
            if left:
                signals.wait(_POLL_SECONDS)
        _signal(left, signal.SIGKILL)
        for pid in left:
            os.waitpid(pid, 0)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _be(part: Part, ready: int, parent: int) -> NoReturn:
    """Be the child: run the part, say in one line why it failed, and end without the parent's clean-up."""
    code = FAULT
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(FAULT)
        Path("/proc/self/comm").write_text(f"vedette-{part.name}"[:15], "ascii")
        restore()
        part.run(lambda: _say_ready(ready))
        code = FINE
    except (CollectorError, OSError) as error:
        _log.error("%s: %s", part.name, error)
    except KeyboardInterrupt:
        code = FINE
    except BaseException:  # noqa: BLE001 - whatever it was, the parent must learn that this process is gone
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say_ready(ready: int) -> None:
    with contextlib.suppress(OSError):
        os.write(ready, b"1")
