"""Whether others wait for CPU or disk: pressure stall information, else the load."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..decode.pressure import load_percent, parse_pressure

_EVERY = 2_000_000_000
"""Nanoseconds for which an answer holds: the kernel itself computes it every two seconds."""

_OF = ("cpu", "io")


class Pressure:
    """Asked again and again; looks at most every two seconds."""

    def __init__(self, limit: float, folder: Path = Path("/proc/pressure")) -> None:
        """Above limit percent of waiting, `high` says so."""
        self._limit = limit
        self._folder = folder
        self._at: int | None = None
        self._high = False

    def high(self, mono: int) -> bool:
        """Return whether others wait too much at mono (ns)."""
        if self._at is None or mono - self._at >= _EVERY:
            self._at = mono
            self._high = self._look() > self._limit
        return self._high

    def _look(self) -> float:
        found: list[float] = []
        for name in _OF:
            with suppress(OSError):
                told = parse_pressure((self._folder / name).read_bytes())
                if told is not None:
                    found.append(told)
        return max(found) if found else load_percent(os.getloadavg()[0], os.cpu_count() or 1)
