"""The one exec every process feed must see before it is believed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from evidence.kind import Body
from evidence.kinds.process import Exec

_TRUE, _SHELL = "/bin/true", "/bin/sh"


def run_marked() -> Callable[[Body], bool]:
    """Execute /bin/true with an argument nobody else uses, and return the test that recognises it."""
    mark = _mark()
    pid = os.posix_spawn(_TRUE, [_TRUE, mark], {})
    os.waitpid(pid, 0)
    return lambda body: isinstance(body, Exec) and body.pid == pid and mark in body.argv


def run_and_end() -> Callable[[Body], bool]:
    """Execute /bin/true for a feed that learns the pid alone, and return the test that recognises it."""
    pid = os.posix_spawn(_TRUE, [_TRUE, _mark()], {})
    os.waitpid(pid, 0)
    return lambda body: isinstance(body, Exec) and body.pid == pid


class WaitingProcess:
    """A marked process that lives until it is ended, for a feed that looks only now and then."""

    def __init__(self) -> None:
        self._mark = _mark()
        waits, self._pipe = os.pipe2(os.O_CLOEXEC)
        actions = [(os.POSIX_SPAWN_DUP2, waits, 0)]
        self._pid = os.posix_spawn(_SHELL, [_SHELL, "-c", "read _", self._mark], {}, file_actions=actions)
        os.close(waits)

    def seen(self, body: Body) -> bool:
        """Return whether body is its exec."""
        return isinstance(body, Exec) and body.pid == self._pid and self._mark in body.argv

    def close(self) -> None:
        """Let it end."""
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def _mark() -> str:
    return f"vedette-{secrets.token_hex(8)}"
