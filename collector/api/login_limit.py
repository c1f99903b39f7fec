"""How often somebody may try a password: a bucket per user and per address, refilled with time."""

from __future__ import annotations

import math
from collections import OrderedDict

TRIES_PER_USER = 5
TRIES_PER_ADDRESS = 20
WINDOW_SECONDS = 60.0
KEYS_LIMIT = 10_000
"""Buckets kept; the longest unused go first."""


class LoginLimit:
    """Buckets of tries, held in memory and bounded."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, user: str, address: str, now: float) -> int:
        """Take one try of user from address at now (seconds); return 0, or the seconds to wait first."""
        return max(
            self._take(f"user {user}", TRIES_PER_USER, now),
            self._take(f"address {address}", TRIES_PER_ADDRESS, now),
        )

    def _take(self, key: str, tries: int, now: float) -> int:
        rate = tries / WINDOW_SECONDS
        left, at = self._buckets.pop(key, (float(tries), now))
        left = min(float(tries), left + (now - at) * rate)
        wait = 0 if left >= 1 else math.ceil((1 - left) / rate)
        self._buckets[key] = (left if wait else left - 1, now)
        while len(self._buckets) > KEYS_LIMIT:
            self._buckets.popitem(last=False)
        return wait
