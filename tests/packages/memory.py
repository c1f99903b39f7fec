"""Takes all memory from one process: its next page is refused, and the kernel's own killer ends it.

It works by this machine's memory controller of cgroup v1: the system inside sees none of it, and what that
starts anew is not in there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CONTROLLER = Path("/sys/fs/cgroup/memory")


@contextmanager
def none_left(pid: int) -> Iterator[Callable[[], int]]:
    """Give a process (its number outside) no byte more; yields a count of those the kernel killed for it."""
    group = _own_group() / f"vedette-{os.getpid()}-{pid}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text("0")
        (group / "cgroup.procs").write_text(str(pid))
        yield lambda: _kills(group)
    finally:
        group.rmdir()


def _own_group() -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") and _CONTROLLER.is_dir():
            return _CONTROLLER / path.lstrip("/")
    pytest.skip("no memory controller of cgroup v1 on this machine")


def _kills(group: Path) -> int:
    words = (group / "memory.oom_control").read_text().split()
    return int(words[words.index("oom_kill") + 1])
