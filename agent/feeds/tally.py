"""What a feed could not see, counted by cause until it is asked for."""

from __future__ import annotations

from evidence.kinds.agent import Loss

from ..gathered import Gathered
from ..kernel.rings import SensorRings
from ..sensor import Moment


class Tally:
    """Counts by cause, with the interval in which they arose."""

    def __init__(
        self, sensor: str, suggestions: dict[str, str] | None = None, kept: Gathered[int] | None = None
    ) -> None:
        """Count for a sensor; suggestions name by cause what an operator can do.

        kept holds what a former run had counted and not told.
        """
        self._sensor = sensor
        self._suggestions = suggestions or {}
        self._counts = kept if kept is not None else Gathered(int)
        self._unknown: set[str] = set()
        self._since: int | None = None

    def add(self, cause: str, count: int = 1) -> None:
        """Count what was lost."""
        if count:
            self._counts.put(cause, (self._counts.get(cause) or 0) + count)

    def add_unknown(self, cause: str) -> None:
        """Note that something was lost, and nobody knows how much."""
        self._unknown.add(cause)

    def take(self, now: Moment) -> list[Loss]:
        """Return what was counted since the last call."""
        since, self._since = self._since, now.time
        counts = dict(self._counts.items())
        for cause in counts:
            self._counts.drop(cause)
        unknown, self._unknown = self._unknown, set()
        found: dict[str, int | None] = {
            **dict.fromkeys(unknown),
            **counts,
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


def kept_counts(rings: SensorRings | None) -> Gathered[int] | None:
    """Return what a former run of the sensor had counted and not told, where anything outlives a kill."""
    return None if rings is None else rings.gathered("counts", int)
