"""Exact sliding windows over what one entity did: count, distinct count, sum, sequence, absence. Pure.

A window of a span is closed: two observations exactly span apart share one. No window is aligned to a clock,
so no pair straddles a boundary. What a series holds depends on what was added and not on the order of it, as
long as nothing comes later than the time it keeps beyond the window: keep = window + the lateness to bear.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

Measure = Literal["count", "sum", "distinct"]
EVIDENCE = 20
"""Uids that a finding names at most, besides the latest."""


class Item(NamedTuple):
    """An observation: time (UTC ns), value (at least 0), uid of its event, label for distinct counts."""

    time: int
    value: int
    uid: str
    label: str = ""


class Series(msgspec.Struct, gc=False):
    """What one entity did, sorted by time; bounded by the span it keeps and by a number of items."""

    items: list[Item] = []

    def add(self, item: Item, keep: int, limit: int) -> bool:
        """Take an observation in, and return whether it stays.

        Forgotten is what is older than keep (ns) before the newest, and the oldest of more than limit. An
        observation that is there already is no second one.
        """
        items = self.items
        if not items or item > items[-1]:
            items.append(item)
        else:
            at = bisect.bisect_left(items, item)
            if items[at] == item:
                return True
            items.insert(at, item)
        surplus = len(items) - limit if len(items) > limit else 0
        oldest = items[-1].time - keep
        if surplus or items[0].time < oldest:
            forgotten = max(surplus, bisect.bisect_left(items, oldest, key=_time))
            del items[:forgotten]
        return bool(items) and item >= items[0]

    def between(self, first: int, last: int) -> list[Item]:
        """Return the observations from first to last (UTC ns), both included."""
        left = bisect.bisect_left(self.items, first, key=_time)
        return self.items[left : bisect.bisect_right(self.items, last, lo=left, key=_time)]

    def ending(self, time: int, span: int) -> list[Item]:
        """Return the window of span that ends at time."""
        return self.between(time - span, time)

    def densest(self, span: int, measure: Measure, containing: int | None = None) -> list[Item]:
        """Return the window of span with the most by measure; of equals the earliest; empty if there is none.

        containing (UTC ns of an observation) asks for the windows that contain it alone.
        """
        items = self.items
        if containing is not None:
            items = self.between(containing - span, containing + span)
        most, end = 0, None
        for item, reached in _amounts(items, span, measure):
            if reached > most and (containing is None or item.time >= containing):
                most, end = reached, item.time
        return [] if end is None else self.ending(end, span)


def _amounts(items: Sequence[Item], span: int, measure: Measure) -> Iterator[tuple[Item, int]]:
    """Yield each item with the amount of the window that ends with it; the amount slides along."""
    left = total = 0
    labels: dict[str, int] = {}
    for right, item in enumerate(items, start=1):
        labels[item.label] = labels.get(item.label, 0) + 1
        total += item.value
        while items[left].time < item.time - span:
            total -= items[left].value
            label = items[left].label
            labels[label] -= 1
            if not labels[label]:
                del labels[label]
            left += 1
        yield item, {"count": right - left, "sum": total, "distinct": len(labels)}[measure]


def amount(items: Sequence[Item], measure: Measure) -> int:
    """Return how many observations these are, the sum of their values, or how many labels they have."""
    if measure == "count":
        return len(items)
    if measure == "sum":
        return sum(item.value for item in items)
    return len({item.label for item in items})


def uids(items: Sequence[Item]) -> tuple[str, ...]:
    """Return the earliest `EVIDENCE` uids, and the latest: whichever of them came last."""
    return tuple(dict.fromkeys(item.uid for item in (*items[:EVIDENCE], *items[-1:])))


def sequences(steps: Sequence[Series], span: int) -> Iterator[tuple[Item, ...]]:
    """Yield where one of each step happened, one after the other, within span: the tightest for each end.

    Steps are in order of event time, whatever order they arrived in; two at the same time are in none.
    """
    for end in steps[-1].items:
        chain = [end]
        for step in reversed(steps[:-1]):
            at = bisect.bisect_left(step.items, chain[-1].time, key=_time)
            if not at:
                break
            chain.append(step.items[at - 1])
        if len(chain) == len(steps) and end.time - chain[-1].time <= span:
            yield tuple(reversed(chain))


def sequence(steps: Sequence[Series], span: int) -> tuple[Item, ...] | None:
    """Return the sequence that is complete first; None where there is none."""
    return next(sequences(steps, span), None)


def absences(first: Series, then: Series, span: int, watermark: int) -> list[Item]:
    """Return each of first that none of then followed within span (at its own time counts).

    Judged is only what is over: watermark (UTC ns), until which all has arrived, is past its span.
    """
    return [
        item
        for item in first.items
        if item.time + span < watermark and not then.between(item.time, item.time + span)
    ]


def _time(item: Item) -> int:
    return item.time
