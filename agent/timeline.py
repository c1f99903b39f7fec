"""Wall and monotonic time of events: a feed knows one of them, the measured offset gives the other."""

from __future__ import annotations

from .sensor import Moment, Observed

STEP = 100_000_000
"""Nanoseconds by which the offset may change between two readings; more is a step, not slewing."""


class Timeline:
    """The offset of the wall clock against the monotonic one, followed through steps."""

    def __init__(self, moment: Moment) -> None:
        self._offset = moment.time - moment.mono

    def advance(self, moment: Moment) -> int | None:
        """Take a new reading of the clocks; return the step of the wall clock in ns if there was one."""
        moved = moment.time - moment.mono - self._offset
        self._offset += moved
        return moved if abs(moved) >= STEP else None

    def place(self, seen: Observed, now: Moment) -> Moment:
        """Return when seen happened; now where its feed knew neither clock. Never negative."""
        mono, time = seen.mono, seen.time
        if mono is not None:
            if time is None:
                time = mono + self._offset
            return Moment(time, mono) if time >= 0 <= mono else Moment(max(0, time), max(0, mono))
        if seen.time is not None:
            return Moment(max(seen.time, 0), max(seen.time - self._offset, 0))
        return now
