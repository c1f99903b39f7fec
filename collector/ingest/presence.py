"""Which agents' connections broke off, and were not made anew within some seconds. Pure.

Whoever kills an agent cannot keep its kernel from closing the connection, so this is seen at once, where
silence is only believed after minutes. Whether a farewell came before, the ledger tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evidence.kinds.collector import Act

VERB = "connection.ended"
PATIENCE = 6.0
"""Seconds in which an agent that lives is back: it notices the end of its connection, and tries each five."""
_MANY, _PART = 8, 4
"""So many at once, if they are a fourth of all, are no kills but the network's or a proxy's doing."""


@dataclass(frozen=True, slots=True)
class _Ended:
    time: int
    """UTC ns."""
    due: float


@dataclass(slots=True)
class Presence:
    """Connections by agent; now is monotonic seconds, time UTC ns."""

    _open: dict[str, int] = field(default_factory=dict)
    _ended: dict[str, _Ended] = field(default_factory=dict)

    def came(self, agent: str) -> None:
        """Note a connection of agent."""
        self._open[agent] = self._open.get(agent, 0) + 1
        self._ended.pop(agent, None)

    def went(self, agent: str, *, by_us: bool, time: int, now: float) -> None:
        """Note the end of one; what the collector itself ends says nothing about the agent."""
        left = self._open.pop(agent, 1) - 1
        if left > 0:
            self._open[agent] = left
        elif not by_us:
            self._ended[agent] = _Ended(time, now + PATIENCE)

    def acts(self, now: float) -> list[Act]:
        """Return, once, an act for each agent that has been away long enough; none for many at once."""
        if len(self._ended) >= _MANY and len(self._ended) * _PART >= len(self._open) + len(self._ended):
            self._ended.clear()
            return []
        due = [(agent, ended.time) for agent, ended in self._ended.items() if ended.due <= now]
        for agent, _ in due:
            del self._ended[agent]
        return [
            Act(user="collector", verb=VERB, object=agent, detail={"ended": str(time)}) for agent, time in due
        ]
