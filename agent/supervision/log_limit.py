"""The agent's own log lines, limited by key: what repeats is told a few times, then counted (R25).

The key of a line is its text without its numbers, so that the same message about another pid or second is
the same message. Pure; now is monotonic seconds.
"""

from __future__ import annotations

import re

import msgspec

LINES = 5
"""Lines of one key in an interval."""

INTERVAL = 600.0
"""Seconds."""

KEYS = 256
"""Keys that are told apart; all further ones are one."""

_REST = "other messages"
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")
_KEY = 200


class _Told(msgspec.Struct):
    line: str
    until: float
    lines: int = 0
    suppressed: int = 0


class LogLimit:
    """Which lines are written, and how many were not."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def take(self, line: str, now: float) -> list[str]:
        """Return what to write now that line is to be said: what was kept back before, and line if it may."""
        written = self.due(now)
        key = _NUMBER.sub("#", line[:_KEY])
        if key not in self._told and len(self._told) >= KEYS:
            key = line = _REST
        told = self._told.setdefault(key, _Told(line, now + INTERVAL))
        told.lines += 1
        if told.lines > LINES:
            told.suppressed += 1
            return written
        return [*written, line]

    def due(self, now: float) -> list[str]:
        """Return how many lines were kept back of each key whose interval is over, and begin it anew."""
        over = [key for key, told in self._told.items() if now >= told.until]
        return [said for key in over if (said := _kept_back(self._told.pop(key))) is not None]

    def rest(self) -> list[str]:
        """Return how many lines were kept back and not told of; called once, at the end."""
        told, self._told = self._told, {}
        return [said for one in told.values() if (said := _kept_back(one)) is not None]

    def pause(self, now: float) -> float | None:
        """Return the seconds until `due` has something to say; None when nothing is kept back."""
        times = [told.until for told in self._told.values() if told.suppressed]
        return max(min(times) - now, 0.0) if times else None


def _kept_back(told: _Told) -> str | None:
    if not told.suppressed:
        return None
    return f"{told.suppressed} more lines in {INTERVAL / 60:.0f} minutes like: {told.line}"
