"""Tables that forget what was stored longest ago, so that state stays bounded whatever the hosts send."""

from __future__ import annotations

from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
_LARGE = 4096
"""From so many on, an eighth of a full table is dropped at once; of a smaller one a sixty-fourth."""


def remember(table: dict[K, V], key: K, value: V, limit: int) -> None:
    """Store value as the newest of table, and drop the oldest when there are more than limit."""
    table.pop(key, None)
    add(table, key, value, limit)


def add(table: dict[K, V], key: K, value: V, limit: int) -> None:
    """Do what `remember` does with a key that the table does not have."""
    table[key] = value
    if len(table) > limit:
        # Many at once: a dict looks for its first key past all that were deleted before it, and cold memory
        # that is given back bit by bit is what everything else gets next.
        for oldest in list(islice(table, 1 + limit // (8 if limit >= _LARGE else 64))):
            del table[oldest]
