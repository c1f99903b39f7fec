"""What this process costs the host, from /proc."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

_ROLLUP = Path("/proc/self/smaps_rollup")


def pss_bytes() -> int | None:
    """Return the proportional set size; None where the kernel does not tell."""
    try:
        for line in _ROLLUP.read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def give_back() -> None:
    """Return freed memory to the host; glibc keeps what bursts and scans once needed (malloc_trim(3))."""
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


def cpu_seconds() -> float:
    """Return the user and system time used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def children(pid: int) -> frozenset[int]:
    """Return the children of pid's main thread; empty where the kernel does not list them."""
    try:
        return frozenset(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except (OSError, ValueError):
        return frozenset()
