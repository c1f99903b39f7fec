"""A token bucket: so much a second, and a second's worth at once. Pure; now is monotonic ns."""

from __future__ import annotations


class TokenBucket:
    """Spending may overdraw it; then nothing is ready until that is paid back."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at: int | None = None

    def ready(self, now: int) -> bool:
        """Return whether something may be spent now."""
        if self._at is not None:
            self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate / 1e9)
        self._at = now
        return self._tokens > 0

    def spend(self, count: float) -> None:
        """Take count out."""
        self._tokens -= count
