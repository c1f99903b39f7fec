"""A set of whole numbers as disjoint ranges: data given up, entries expired, entries on hold. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterator


class Ranges:
    """Grows and shrinks by (first, last), both included."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, first: int, last: int) -> None:
        """Add first to last, joined with what touches them."""
        left = bisect.bisect_left(self._ends, first - 1)
        right = bisect.bisect_right(self._starts, last + 1)
        if left < right:
            first = min(first, self._starts[left])
            last = max(last, self._ends[right - 1])
        self._starts[left:right] = [first]
        self._ends[left:right] = [last]

    def remove(self, first: int, last: int) -> None:
        """Remove first to last."""
        left = bisect.bisect_left(self._ends, first)
        right = bisect.bisect_right(self._starts, last)
        rest: list[tuple[int, int]] = []
        if left < right:
            rest = [(self._starts[left], first - 1), (last + 1, self._ends[right - 1])]
        kept = [(start, end) for start, end in rest if start <= end]
        self._starts[left:right] = [start for start, _ in kept]
        self._ends[left:right] = [end for _, end in kept]

    def __contains__(self, number: int) -> bool:
        at = bisect.bisect_right(self._starts, number) - 1
        return at >= 0 and self._ends[at] >= number

    def touches(self, first: int, last: int) -> bool:
        """Tell whether any number from first to last is in it."""
        at = bisect.bisect_right(self._starts, last) - 1
        return at >= 0 and self._ends[at] >= first

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __len__(self) -> int:
        return len(self._starts)
