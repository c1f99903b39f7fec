"""An event: a body stamped with its place in the agent's sequence and in time."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from .kind import Body

B_co = TypeVar("B_co", bound=Body, covariant=True)


class Event(msgspec.Struct, Generic[B_co], frozen=True, gc=False, forbid_unknown_fields=True):
    """seq counts per (agent, epoch) from 1, a gap is a visible loss; time is UTC ns, mono ns since boot.

    Agent, epoch and boot id stand once, in the statement of the batch.
    """

    seq: int
    time: int
    mono: int
    body: B_co


def stamp(body: Body, *, seq: int, time: int, mono: int) -> Event[Body]:
    """Return body as the event number seq, seen at time (UTC ns) and mono (ns since boot)."""
    return Event(seq, time, mono, body)
