"""How many requests a source may make: a token bucket for each, and a bound on how many are kept."""

from __future__ import annotations

from collections import OrderedDict

_SECOND = 1_000_000_000


class Throttle:
    """Permits burst requests at once and per_minute in the long run, for each of at most `keys` keys."""

    def __init__(self, per_minute: float, burst: int, keys: int = 10_000) -> None:
        self._rate = per_minute / 60 / _SECOND
        self._burst = float(burst)
        self._keys = keys
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, key: str, now: int) -> float:
        """Count a request of key at now (ns, monotonic); return 0, or how many seconds it is too early."""
        level, since = self._buckets.pop(key, (self._burst, now))
        level = min(self._burst, level + max(0, now - since) * self._rate)
        permitted = level >= 1
        self._buckets[key] = (level - 1 if permitted else level, now)
        if len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return 0.0 if permitted else (1 - level) / self._rate / _SECOND
