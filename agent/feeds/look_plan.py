"""When to look at the sockets again: each second, and in quick succession just after something was executed.

A connection that is opened and closed between two looks has no owner. Most are made by a program within some
milliseconds of its start, so a start is the bell for a short row of quick looks. Their cost is bounded: they
may take a small share of one core, saved up for a burst. Pure: times are ns of one monotonic clock.
"""

from __future__ import annotations

SLOW = 1_000_000_000
QUICK = 4_000_000
ROW = 120_000_000
"""How long quick looks go on after a bell."""
SHARE = 0.02
"""Of one core, what quick looks may cost in the long run."""
SAVED = 200_000_000
"""What they may save up, in ns of CPU."""


class LookPlan:
    """Decides when the next look is due, from bells and from what looks cost."""

    def __init__(self, now: int) -> None:
        self._looked = now
        self._bell = now - ROW
        self._saved = float(SAVED)

    def ring(self, now: int) -> None:
        """Note that something was executed."""
        self._bell = now

    def wait(self, now: int) -> int:
        """Return the ns until the next look is due; 0 when it is due now."""
        quick = now - self._bell < ROW and self._saved > 0
        return max(0, self._looked + (QUICK if quick else SLOW) - now)

    def looked(self, now: int, cost: int) -> None:
        """Note that a look was taken at now, and cost that many ns of CPU."""
        self._saved = min(float(SAVED), self._saved + SHARE * (now - self._looked)) - cost
        self._looked = now

    def missed(self, now: int) -> bool:
        """Return whether looks are so late that connections may have been missed."""
        return now - self._looked > 3 * SLOW
