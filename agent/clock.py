"""The clocks and the boot id of this host."""

from __future__ import annotations

import time
from pathlib import Path

from .sensor import Moment

_TOGETHER = 20_000
"""Nanoseconds within which two readings count as one."""
_TRIES = 5
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read() -> Moment:
    """Return the wall clock and CLOCK_BOOTTIME, read together.

    The wall clock is read between two readings of the other, again where this process was interrupted there:
    the difference would shift the times of events, and a long one would pass for a step of the clock.
    """
    closest, found = None, Moment(0, 0)
    for _ in range(_TRIES):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        apart = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before
        if closest is None or apart < closest:
            closest, found = apart, Moment(wall, before + apart // 2)
        if apart <= _TOGETHER:
            break
    return found


def boot_id() -> str:
    """Return the kernel's boot id; ``unknown`` where /proc does not show it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
