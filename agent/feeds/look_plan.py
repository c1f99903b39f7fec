"""When to look at the sockets again: each second, and in quick succession just after something was executed.

A connection that is opened and closed between two looks has no owner. Most are made by a program within some
milliseconds of its start, so a start is the bell for a short row of quick looks. Their cost is bounded: when
what is saved up for a burst is spent, they come as far apart as their share of one core allows. Once a second
a look is whole, quick or not: it may search long for owners. Pure: times are ns of one monotonic clock.
"""

from __future__ import annotations

SLOW = 1_000_000_000
QUICK = 4_000_000
ROW = 120_000_000
"""How long quick looks go on after a bell."""
SHARE = 0.03
"""Of one core, what quick looks may cost in the long run."""
SAVED = 200_000_000
"""What they may save up, in ns of CPU."""


class LookPlan:
    """Decides when the next look is due, from bells and from what looks cost."""

    def __init__(self, now: int) -> None:
        self._looked = self._whole = now
        self._bell = now - ROW
        self._saved = float(SAVED)
        self._pace = QUICK

    def ring(self, now: int) -> None:
        """Note that something was executed."""
        self._bell = now

    def is_whole(self, now: int) -> bool:
        """Return whether the last look that was whole is a second ago."""
        return now - self._whole >= SLOW

    def wait(self, now: int) -> int:
        """Return the ns until the next look is due; 0 when it is due now."""
        pace = SLOW
        if now - self._bell < ROW:
            pace = QUICK if self._saved > 0 else self._pace
        return max(0, self._looked + pace - now)

    def looked(self, now: int, cost: int) -> None:
        """Note that a look was taken at now, and cost that many ns of CPU."""
        self._saved = min(float(SAVED), self._saved + SHARE * (now - self._looked)) - cost
        self._pace = min(SLOW, max(QUICK, int(cost / SHARE)))
        if self.is_whole(now):
            self._whole = now
        self._looked = now

    def missed(self, now: int) -> bool:
        """Return whether looks are so late that connections may have been missed."""
        return now - self._looked > 3 * SLOW
