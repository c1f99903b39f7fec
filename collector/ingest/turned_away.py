"""What revoked agents still send: counted and hashed, so that it can be told without being kept. Pure."""

from __future__ import annotations

import hashlib

from evidence.kinds.collector import Act

VERB = "batch.refused"


class TurnedAway:
    """Counts and hashes by agent, until they are recorded."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, bytes]] = {}

    def note(self, agent: str, body: bytes) -> None:
        """Count one request; the hash is a chain over each one's SHA-256."""
        count, chained = self._seen.get(agent, (0, b""))
        self._seen[agent] = (count + 1, hashlib.sha256(chained + hashlib.sha256(body).digest()).digest())

    def acts(self) -> list[Act]:
        """Return an act for each agent that was turned away."""
        return [
            Act(
                user="collector",
                verb=VERB,
                object=agent,
                detail={"count": str(count), "sha256": chained.hex()},
                reason="revoked",
                allowed=False,
            )
            for agent, (count, chained) in self._seen.items()
        ]

    def forget(self, act: Act) -> None:
        """Drop what act has recorded; what came since then stays counted."""
        if act.object is None or act.detail is None:
            return
        count, chained = self._seen.pop(act.object)
        if count > int(act.detail["count"]):
            self._seen[act.object] = (count - int(act.detail["count"]), chained)
