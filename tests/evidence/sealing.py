"""A chain of sealed batches to test with."""

from __future__ import annotations

from evidence.event import Event, stamp
from evidence.keys import PrivateKey
from evidence.kind import Body, Lane
from evidence.kinds.agent import Stop
from evidence.seal import Circumstances, Place, SealedBatch, seal
from evidence.statement import Dropped, Head, Seen

KEY = PrivateKey(b"host" * 8)
AGENT = "ab" * 16
ORIGIN = Head(0, "0" * 64)
NOW = 1_790_000_000_000_000_000


def some_events(first: int, count: int = 2) -> list[Event[Body]]:
    return [
        stamp(Stop(reason=f"r{seq}"), seq=seq, time=NOW + seq, mono=seq)
        for seq in range(first, first + count)
    ]


def batch(
    previous: Head = ORIGIN,
    lane: Lane = "bulk",
    *,
    key: PrivateKey = KEY,
    agent: str = AGENT,
    seen: Seen | None = None,
    time: int = NOW,
    other: Head = ORIGIN,
    dropped: tuple[Dropped, ...] = (),
) -> SealedBatch:
    place = Place(agent, 1, lane, previous, other)
    around = Circumstances("boot", time, 5, "1.0", dropped=dropped, seen=seen)
    return seal(some_events(previous.seq * 2 + 1), place, around, key)


def chain(length: int, lane: Lane = "bulk", *, seen: Seen | None = None) -> list[SealedBatch]:
    batches: list[SealedBatch] = []
    for _ in range(length):
        batches.append(batch(batches[-1].head if batches else ORIGIN, lane, seen=seen))
    return batches
