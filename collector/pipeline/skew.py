"""By how much hosts' clocks differ from the collector's: from when statements were sent and received. Pure.

A statement is received after it was sent, so the smallest difference of the two tells most. A clock that is
ahead shows at once, as a statement from the future. One that is behind looks like a host that is late: it
shows only as the smallest difference since the host's boot, and not at all once a statement came that was
neither. docs/identity.md tells what follows from that.
"""

from __future__ import annotations

import msgspec

from ..bounded import remember

CLOCKS_LIMIT = 20_000
RECENT = 3_600_000_000_000
"""Nanoseconds for which a statement from the future counts: a clock may be set right."""
DELAY = 5_000_000_000
"""A statement may take so long (ns) from seal to ledger on a host whose clock is right."""
_SLOT = RECENT // 12


class Clock(msgspec.Struct):
    """One host's differences received - sent in one boot, ns: the smallest, and those of recent slots."""

    smallest: int
    slots: dict[int, int] = {}


def learn(clocks: dict[str, Clock], agent: str, boot: str, *, sent: int, received: int) -> int:
    """Take a statement in, and return by how many ns its host's clock is ahead of the collector's."""
    late, name = received - sent, f"{agent}|{boot}"
    clock = clocks.get(name)
    if clock is None:
        clock = Clock(late)
        remember(clocks, name, clock, CLOCKS_LIMIT)
    clock.smallest = min(clock.smallest, late)
    slot = received // _SLOT
    clock.slots[slot] = min(late, clock.slots.get(slot, late))
    for old in [one for one in clock.slots if one <= slot - RECENT // _SLOT]:
        del clock.slots[old]
    return _ahead(clock)


def _ahead(clock: Clock) -> int:
    recent = min(clock.slots.values(), default=0)
    if recent < 0:
        return -recent
    return -clock.smallest if clock.smallest > DELAY else 0
