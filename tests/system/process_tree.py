"""The processes below one, also in namespaces, as the machine counts them."""

from __future__ import annotations

import contextlib
from pathlib import Path


def descendants(pid: int) -> list[str]:
    """Return the pids of all processes below pid, as the machine counts them."""
    found, todo = [], [str(pid)]
    while todo:
        below: list[str] = []
        for children in Path("/proc", todo.pop()).glob("task/*/children"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                below += children.read_text().split()
        found += below
        todo += below
    return found
