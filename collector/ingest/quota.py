"""Batches and bytes an agent may send in a minute: two token buckets each. Pure; the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(slots=True)
class _Buckets:
    batches: float
    size: float
    at: float


class Quota:
    """The buckets of all agents; a full minute's share can be used at once, as after an outage."""

    def __init__(self, batches: int, size: int) -> None:
        """Take batches and bytes per agent and minute."""
        self._batches = batches
        self._size = size
        self._agents: dict[str, _Buckets] = {}

    def take(self, agent: str, size: int, now: float) -> float | None:
        """Take one batch of size bytes at now (monotonic seconds).

        Returns:
            None if it is within the quota, else the seconds after which it would be; nothing is taken then.
        """
        mine = self._agents.get(agent)
        if mine is None:
            mine = self._agents[agent] = _Buckets(self._batches, self._size, now)
        passed = max(0.0, now - mine.at) / _MINUTE
        mine.at = max(mine.at, now)
        mine.batches = min(self._batches, mine.batches + passed * self._batches)
        mine.size = min(self._size, mine.size + passed * self._size)
        wanted = min(size, self._size)
        short = max((1 - mine.batches) / self._batches, (wanted - mine.size) / self._size)
        if short > 0:
            return short * _MINUTE
        mine.batches -= 1
        mine.size -= wanted
        return None
