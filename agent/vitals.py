"""What this process costs the host, from /proc."""

from __future__ import annotations

import resource
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
