"""Tables that forget what was stored longest ago, so that state stays bounded whatever the hosts send."""

from __future__ import annotations

from typing import TypeVar

V = TypeVar("V")


def remember(table: dict[str, V], key: str, value: V, limit: int) -> None:
    """Store value as the newest of table, and drop the oldest when there are more than limit."""
    table.pop(key, None)
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]
