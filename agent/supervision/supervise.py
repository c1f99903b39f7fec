"""Keep watch and ship running: restart what died with growing pauses, stop watch before ship, and log."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import msgspec

from . import process
from .own_log import OwnLog

FIRST_PAUSE, LAST_PAUSE = 0.1, 60.0
STEADY = 10.0
"""Seconds after which a child that died is taken for having run well."""
GRACE = 20.0
"""Seconds they have to stop, all together, before they are killed."""
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Child(msgspec.Struct, frozen=True):
    """A part of the agent: main runs in the forked process and returns its exit code; final codes end all."""

    name: str
    main: Callable[[], int]
    final: frozenset[int] = frozenset()


class _Running:
    def __init__(self, child: Child) -> None:
        self.child = child
        self.pid: int | None = None
        self.began = 0.0
        self.pause = FIRST_PAUSE
        self.start_at = 0.0
        self.told = False


class Supervisor:
    """Forks its children rather than executing them anew: what is loaded once is shared between them.

    They are stopped in their order, each once those before it have ended: so ship sends watch's farewell.

    say is given each line of the log, the children's too, but for what repeats too often.
    """

    def __init__(self, children: tuple[Child, ...], say: Callable[[str], None]) -> None:
        self._running = [_Running(child) for child in children]
        self._log = OwnLog(say)
        self._wanted = True
        self._code = 0

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until a child ends with a final code; return that code."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._caught) for number in _HANDLED}
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(reading, selectors.EVENT_READ)
                selector.register(self._log, selectors.EVENT_READ)
                self._loop(selector, reading)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(reading)
            os.close(writing)
            self._log.close()
        return self._code

    def _loop(self, selector: selectors.BaseSelector, reading: int) -> None:
        end: float | None = None
        while True:
            now = time.monotonic()
            self._reap(now)
            if self._wanted:
                for one in self._running:
                    if one.pid is None and one.start_at <= now:
                        self._start(one, now)
            elif end is None or now < end:
                end = end or now + GRACE
                self._stop_next()
            else:
                self._kill()
            if not self._wanted and all(one.pid is None for one in self._running):
                return
            ready = [key.fd for key, _ in selector.select(self._timeout(now, end))]
            if reading in ready:
                os.read(reading, 4096)
            self._log.drain()
            self._log.tell_kept_back()

    def _timeout(self, now: float, end: float | None) -> float | None:
        """Return the seconds until a start, a kill or a line is due; None when only a signal counts."""
        starts = [one.start_at for one in self._running if one.pid is None] if self._wanted else [end or now]
        pauses = [max(start - now, 0.01) for start in starts]
        kept_back = self._log.pause()
        return min([*pauses, *([] if kept_back is None else [kept_back])], default=None)

    def _start(self, one: _Running, now: float) -> None:
        pid = os.fork()
        if pid == 0:
            _become(one.child, self._log)
        one.pid, one.began = pid, now

    def _reap(self, now: float) -> None:
        for one in self._running:
            if one.pid is None:
                continue
            pid, status = os.waitpid(one.pid, os.WNOHANG)
            if pid != 0:
                self._ended(one, os.waitstatus_to_exitcode(status), now)

    def _ended(self, one: _Running, code: int, now: float) -> None:
        """Plan the next start of a child that ended, or the end of all."""
        one.pid = None
        if not self._wanted:
            self._code = max(self._code, code, 0)
            return
        if code in one.child.final:
            self._wanted, self._code = False, code
            return
        if now - one.began >= STEADY:
            one.pause = FIRST_PAUSE
        one.start_at = now + one.pause
        why = f"signal {-code}" if code < 0 else f"code {code}"
        self._log.say(f"{one.child.name} ended with {why}; starting it again in {one.pause:.1f} s")
        one.pause = min(one.pause * 2, LAST_PAUSE)

    def _stop_next(self) -> None:
        """Ask the first child that still runs to end, once."""
        one = next((one for one in self._running if one.pid is not None), None)
        if one is not None and one.pid is not None and not one.told:
            one.told = True
            os.kill(one.pid, signal.SIGTERM)

    def _kill(self) -> None:
        for one in self._running:
            if one.pid is not None:
                os.kill(one.pid, signal.SIGKILL)

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._wanted = False


def _become(child: Child, log: OwnLog) -> NoReturn:
    """Be the child; it never returns into the supervisor's code, and dies with the supervisor."""
    code = 1
    try:
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        log.adopt_stderr()
        process.die_with_parent(child.name)
        code = child.main()
    finally:
        os._exit(code)
