"""Idle I/O class for a stretch of work: the disk serves it when nobody else wants it (ioprio_set(2))."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_SYSCALL = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
_WHO_PROCESS, _SELF = 1, 0
_IDLE, _NORMAL = 3 << 13, 0


@contextmanager
def idle_io() -> Iterator[None]:
    """Read and write in the idle class inside the block; without effect where that is not possible."""
    number = _SYSCALL.get(os.uname().machine)
    if number is None:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.syscall(number, _WHO_PROCESS, _SELF, _IDLE)
    try:
        yield
    finally:
        libc.syscall(number, _WHO_PROCESS, _SELF, _NORMAL)
