"""The time of this machine, asked in one place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from .chains.acts import Moment
from .version import VERSION

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Whatever tells the time; tests bring their own."""

    def now(self) -> int:
        """Return UTC ns."""
        ...

    def moment(self) -> Moment:
        """Return time, monotonic time and boot id together."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        ...


class SystemClock:
    """The kernel's clocks."""

    def __init__(self) -> None:
        self._boot = _BOOT_ID.read_text().strip()

    def now(self) -> int:
        """Return UTC ns."""
        return time.time_ns()

    def moment(self) -> Moment:
        """Return time, ns since boot, boot id and the collector's version."""
        return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME), self._boot, VERSION)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()
