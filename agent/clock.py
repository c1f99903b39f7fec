"""The clocks and the boot id of this host."""

from __future__ import annotations

import time
from pathlib import Path

from .sensor import Moment

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read() -> Moment:
    """Return the wall clock and CLOCK_BOOTTIME, read together."""
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def boot_id() -> str:
    """Return the kernel's boot id; ``unknown`` where /proc does not show it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"
