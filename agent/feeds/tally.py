"""What a feed could not see, counted by cause until it is asked for."""

from __future__ import annotations

from collections import Counter

from evidence.kinds.agent import Loss

from ..sensor import Moment


class Tally:
    """Counts by cause, with the interval in which they arose."""

    def __init__(self, sensor: str, suggestions: dict[str, str] | None = None) -> None:
        """Count for a sensor; suggestions name by cause what an operator can do."""
        self._sensor = sensor
        self._suggestions = suggestions or {}
        self._counts: Counter[str] = Counter()
        self._unknown: set[str] = set()
        self._since: int | None = None

    def add(self, cause: str, count: int = 1) -> None:
        """Count what was lost."""
        self._counts[cause] += count

    def add_unknown(self, cause: str) -> None:
        """Note that something was lost, and nobody knows how much."""
        self._unknown.add(cause)

    def take(self, now: Moment) -> list[Loss]:
        """Return what was counted since the last call."""
        since, self._since = self._since, now.time
        counts, self._counts = self._counts, Counter()
        unknown, self._unknown = self._unknown, set()
        found: dict[str, int | None] = {
            **dict.fromkeys(unknown),
            **{cause: count for cause, count in counts.items() if count},
        }
        return [
            Loss(
                sensor=self._sensor,
                cause=cause,
                count=count,
                from_=since,
                to=now.time,
                suggestion=self._suggestions.get(cause.partition(":")[0]),
            )
            for cause, count in found.items()
        ]
