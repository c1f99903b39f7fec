"""Work done in a child that became another user, and what came of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable


def become_and(become: Callable[[], object], work: Callable[[], object]) -> object:
    """Run work in a child after become, and return what work returned (JSON)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become()
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(raw)


def outcome(act: Callable[[], object]) -> str:
    """Return the name of the OSError that an act ends with, or that it succeeded."""
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "succeeded"
