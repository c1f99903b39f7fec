"""The one exec every process feed must see before it is believed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

from evidence.kind import Body
from evidence.kinds.process import Exec

_PROGRAM = "/bin/true"


def run_marked() -> Callable[[Body], bool]:
    """Execute /bin/true with an argument nobody else uses, and return the test that recognises it."""
    mark = f"vedette-{secrets.token_hex(8)}"
    pid = os.posix_spawn(_PROGRAM, [_PROGRAM, mark], {})
    os.waitpid(pid, 0)
    return lambda body: isinstance(body, Exec) and body.pid == pid and mark in body.argv
