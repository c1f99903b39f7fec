"""Refused policies as events: each once, ten an hour at most, for who hands them over is not trusted."""

from __future__ import annotations

from collections import OrderedDict, deque

from evidence.kinds.policy import Refused

from .policy_rules import Refusal

MOST = 10
HOUR = 3_600_000_000_000
_KNOWN = 64
_TEXT = 500


class RefusalsTold:
    """What was told in this run."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._times: deque[int] = deque(maxlen=MOST)
        self._more = 0
        self.last: str | None = None
        """Why the newest was refused, in words; None while nothing was since a policy was taken."""

    def tell(self, refusal: Refusal, mono: int) -> Refused | None:
        """Return the event of a refusal at mono (ns); None where it was told, or where too many were."""
        self.last = f"{refusal.ground}: {refusal.message}"[:_TEXT]
        if (refusal.ground, refusal.digest) in self._known:
            return None
        if len(self._times) == MOST and mono - self._times[0] < HOUR:
            self._more += 1
            return None
        self._known[refusal.ground, refusal.digest] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        self._times.append(mono)
        more, self._more = self._more, 0
        return Refused(
            ground=refusal.ground,
            message=refusal.message[:_TEXT],
            digest=refusal.digest,
            name=refusal.policy.name if refusal.policy else None,
            version=refusal.policy.version if refusal.policy else None,
            key=refusal.key,
            more=more,
        )
