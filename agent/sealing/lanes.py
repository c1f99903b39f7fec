"""The two lanes' queues: bounded in items and bytes, each batch due by age or size. Pure.

A lane never borrows from the other, so a flood of bulk events cannot displace a priority one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec

from evidence.kind import Lane

from .. import settings

LANES: tuple[Lane, Lane] = ("priority", "bulk")


class Queued(msgspec.Struct, frozen=True, gc=False):
    """An encoded event, its number and time (UTC ns), and when it was queued (monotonic ns)."""

    line: bytes
    seq: int
    time: int
    at: int


class LaneQueue:
    """Events of one lane that wait to be sealed, oldest first."""

    def __init__(self, limits: settings.Batch, age: float) -> None:
        self._most_events, self._most_bytes = limits.max_events, limits.max_bytes
        self._room_events, self._room_bytes = limits.queue_events, limits.queue_bytes
        self._age = int(age * 1e9)
        self._waiting: deque[Queued] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> Queued | None:
        """The event that waits longest."""
        return self._waiting[0] if self._waiting else None

    def offer(self, item: Queued) -> bool:
        """Queue item; False, and nothing is queued, when either bound is reached."""
        total, waiting = self.bytes + len(item.line), self._waiting
        if len(waiting) >= self._room_events or total > self._room_bytes:
            return False
        waiting.append(item)
        self.bytes = total
        return True

    def due_at(self) -> int | None:
        """Return when the lane's batch is due (monotonic ns; 0 when it is full); None while it is empty."""
        if not self._waiting:
            return None
        if len(self._waiting) >= self._most_events or self.bytes >= self._most_bytes:
            return 0
        return self._waiting[0].at + self._age

    def take(self) -> list[Queued]:
        """Remove and return the next batch: at least one event, at most max_events and max_bytes."""
        batch = list(islice(self._waiting, self._most_events))
        total = sum([len(item.line) for item in batch])
        while total > self._most_bytes and len(batch) > 1:
            total -= len(batch.pop().line)
        self.bytes -= total
        for _ in batch:
            self._waiting.popleft()
        return batch

    def restore(self, batch: Sequence[Queued]) -> None:
        """Put back at the front what could not be stored; the bounds may be passed by this one batch."""
        self._waiting.extendleft(reversed(batch))
        self.bytes += sum(len(item.line) for item in batch)


class Lanes:
    """Both queues."""

    def __init__(self, limits: settings.Batch) -> None:
        self.priority = LaneQueue(limits, limits.priority_age)
        self.bulk = LaneQueue(limits, limits.bulk_age)

    def queue(self, lane: Lane) -> LaneQueue:
        """Return the queue of lane."""
        return self.priority if lane == "priority" else self.bulk

    def due(self, now: int) -> Lane | None:
        """Return the lane to seal now (monotonic ns), priority first; None when none is due."""
        for lane in LANES:
            at = self.queue(lane).due_at()
            if at is not None and at <= now:
                return lane
        return None

    def next_due(self) -> int | None:
        """Return when the next batch is due (monotonic ns)."""
        times = [at for lane in LANES if (at := self.queue(lane).due_at()) is not None]
        return min(times, default=None)

    def oldest(self) -> dict[Lane, int | None]:
        """Return the number of each lane's event that waits longest; None while it is empty."""
        heads = {lane: self.queue(lane).oldest for lane in LANES}
        return {lane: None if head is None else head.seq for lane, head in heads.items()}

    def waiting_since(self) -> int | None:
        """Return the wall time (UTC ns) of the oldest event that is not sealed yet."""
        heads = [head.time for lane in LANES if (head := self.queue(lane).oldest)]
        return min(heads, default=None)
