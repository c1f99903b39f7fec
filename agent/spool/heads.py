"""The chains' heads in a file of their own: two slots written in turn, the newer whole one counts. Pure.

A slot is one record (see `record.py`) of JSON padded to SLOT bytes, its number the generation. Ship reads no
statement beyond these heads: what stands here is durable, and what never got here was never sent.
"""

from __future__ import annotations

import msgspec

from evidence.kind import Lane
from evidence.statement import AgentId, Count, Head, Ordinal

from . import record

MAGIC = b"VDH1"
SLOT = 1024
LANES: tuple[Lane, Lane] = ("priority", "bulk")


class Mark(msgspec.Struct, frozen=True):
    """A lane's last statement, and the sequence up to which every statement was acknowledged and deleted.

    event_seq is the last event number sealed in the lane.
    """

    head: Head
    floor: Count = 0
    event_seq: Count = 0


class Heads(msgspec.Struct, frozen=True):
    """Both lanes' marks; event_seq is the last event number sealed, sent the last statement's time."""

    agent: AgentId
    epoch: Ordinal
    priority: Mark
    bulk: Mark
    event_seq: Count = 0
    sent: Count | None = None

    def mark(self, lane: Lane) -> Mark:
        """Return one lane's mark."""
        return self.priority if lane == "priority" else self.bulk

    def with_mark(self, lane: Lane, mark: Mark) -> Heads:
        """Return the same with another mark for lane."""
        if lane == "priority":
            return msgspec.structs.replace(self, priority=mark)
        return msgspec.structs.replace(self, bulk=mark)


_decoder = msgspec.json.Decoder(Heads)


def encode(heads: Heads, generation: int) -> tuple[int, bytes]:
    """Return (offset, slot) of a generation."""
    slot = record.encode(MAGIC, generation, msgspec.json.encode(heads))
    return (generation % 2) * SLOT, slot.ljust(SLOT, b"\0")


def decode(raw: bytes) -> tuple[Heads, int] | None:
    """Return the newest whole heads and their generation, None where neither slot holds any."""
    newest: tuple[Heads, int] | None = None
    for offset in (0, SLOT):
        slot = record.decode(raw[: offset + SLOT], MAGIC, offset)
        if slot is None or (newest is not None and slot.number < newest[1]):
            continue
        try:
            newest = _decoder.decode(slot.body), slot.number
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return newest
