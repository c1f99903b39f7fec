"""What the spool still owes the collector an explanation for: data given up, statements damaged. Pure.

A record is owed until a statement that says it was appended; then it is kept as said, until what it names is
acknowledged, so that a restart, which finds the same damage again, does not say it for nothing.
"""

from __future__ import annotations

import msgspec

from evidence.kind import Lane
from evidence.statement import Dropped, Loss

AT_ONCE = 8
"""Records a statement takes: an envelope has 4 KiB."""
KEPT_SAID = 256


class Accounts(msgspec.Struct, frozen=True):
    """Owed and said: dropped data by range, and losses."""

    owed: tuple[Dropped, ...] = ()
    said: tuple[Dropped, ...] = ()
    owed_losses: tuple[Loss, ...] = ()
    said_losses: tuple[Loss, ...] = ()

    def owe(self, ranges: tuple[Dropped, ...]) -> Accounts:
        """Add ranges, less what is owed or said already; neighbours with one cause become one range.

        With them all that was said is owed again: the statements that said it may have lost their own data
        since, and such a statement is taken only once another one names it. Thus the next statement with data
        names everything at once, instead of one link of a chain that is taken link by link.
        """
        fresh: tuple[Dropped, ...] = ()
        for item in ranges:
            fresh += subtract(item, self.owed + self.said + fresh)
        if not fresh:
            return self
        owed: tuple[Dropped, ...] = ()
        for item in (*self.said, *self.owed, *fresh):
            owed = _merge(owed, item)
        return msgspec.structs.replace(self, owed=owed, said=())

    def owe_loss(self, loss: Loss) -> Accounts:
        """Add a loss, unless it is owed or said already."""
        if loss in self.owed_losses or loss in self.said_losses:
            return self
        return msgspec.structs.replace(self, owed_losses=(*self.owed_losses, loss))

    def settle(self, dropped: tuple[Dropped, ...], losses: tuple[Loss, ...]) -> Accounts:
        """Move what a statement just said from owed to said."""
        told = tuple(loss for loss in self.owed_losses if loss in losses)
        if not dropped and not told:
            return self
        return Accounts(
            owed=tuple(rest for item in self.owed for rest in subtract(item, dropped)),
            said=(self.said + dropped)[-KEPT_SAID:],
            owed_losses=tuple(loss for loss in self.owed_losses if loss not in told),
            said_losses=(self.said_losses + told)[-KEPT_SAID:],
        )

    def forget(self, lane: Lane, floor: int) -> Accounts:
        """Drop from said what lies at or below floor: those statements are acknowledged and gone."""
        said = tuple(item for item in self.said if item.lane != lane or item.last > floor)
        return self if said == self.said else msgspec.structs.replace(self, said=said)


def damage(lane: Lane, first: int, last: int) -> Loss:
    """Return the loss that names statements which the spool lost."""
    return Loss(cause=f"spool_damage {lane} {first}-{last}", counts={"statements": last - first + 1})


def subtract(item: Dropped, covered: tuple[Dropped, ...]) -> tuple[Dropped, ...]:
    """Return the parts of item's range that none of covered names, in order."""
    parts: tuple[Dropped, ...] = ()
    start = item.first
    for other in sorted(covered, key=lambda each: each.first):
        if other.lane != item.lane or other.last < start or other.first > item.last:
            continue
        if other.first > start:
            parts += (msgspec.structs.replace(item, first=start, last=other.first - 1),)
        start = other.last + 1
    if start <= item.last:
        parts += (msgspec.structs.replace(item, first=start),)
    return parts


def _merge(owed: tuple[Dropped, ...], fresh: Dropped) -> tuple[Dropped, ...]:
    for at, other in enumerate(owed):
        if (other.lane, other.cause) == (fresh.lane, fresh.cause) and other.last + 1 == fresh.first:
            joined = msgspec.structs.replace(other, last=fresh.last)
            return (*owed[:at], joined, *owed[at + 1 :])
    return (*owed, fresh)
