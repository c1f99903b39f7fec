"""What is usual for somebody: values they use, when they were last there, what they move in a day. Pure.

All is counted in whole UTC days and whole numbers, so that a decision never hangs on rounding, and an answer
about a day never hangs on the order in which the day's events came. Tables are bounded: what was touched
longest ago is forgotten first.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import msgspec

from ..bounded import remember
from ..record import Record

DAY = 86_400_000_000_000
"""Nanoseconds."""
DEPTH = 64
"""Days that are remembered one by one; no question about what is usual may look further back."""
_ENTITIES_LIMIT = 8_192
_VALUES_LIMIT = 256
_LAST_LIMIT = 100_000
_MASK = (1 << DEPTH) - 1
_MILLI = 1000
_Z = 1349
"""2000 times 0.6745, the normal distribution's MAD (Iglewicz and Hoaglin 1993)."""


def day_of(time: int) -> int:
    """Return the number of the UTC day of a time (UTC ns)."""
    return time // DAY


def day_seen(record: Record) -> int:
    """Return the UTC day of an event, at most DEPTH days before it was received and never after.

    A host may claim any time: one from the next century would make all that came before forgotten.
    """
    at, received = record.event.time - record.skew, record.received
    if at > received:
        return received // DAY
    return max(at, received - (DEPTH - 1) * DAY) // DAY


class Days(msgspec.Struct, gc=False):
    """On which days something was seen: the last one, and a bit for each of the DEPTH days up to it.

    The set is the same in whatever order its days came, apart from days more than DEPTH before the last.
    """

    last: int
    bits: int = 1

    def mark(self, day: int) -> None:
        """Note that it was seen on day."""
        ahead = day - self.last
        if ahead > 0:
            self.bits = ((self.bits << ahead) | 1) & _MASK if ahead < DEPTH else 1
            self.last = day
        elif -ahead < DEPTH:
            self.bits |= 1 << -ahead

    def before(self, day: int) -> int | None:
        """Return the last day before day on which it was seen, None if there is none."""
        if self.last < day:
            return self.last
        earlier = self.bits >> (self.last - day + 1)
        if not earlier:
            return None
        return day - (earlier & -earlier).bit_length()

    def appeared(self, day: int, forget: int) -> int:
        """Return since when it is seen, as of day, without a rest of more than forget days."""
        since = day
        while (former := self.before(since)) is not None and since - former <= forget:
            since = former
        return since


class Entity(msgspec.Struct, gc=False):
    """Of somebody: the first day anything was seen of them, and the days of each value."""

    since: int
    values: dict[str, Days] = {}


class FirstSeen(msgspec.Struct):
    """Which values (destinations, hosts, targets …) are new for an entity (a person, a host …)."""

    entities: dict[str, Entity] = {}

    def saw(self, entity: str, value: str, day: int) -> None:
        """Note that entity used value on day."""
        known = self.entities.get(entity)
        if known is None:
            known = Entity(day)
            remember(self.entities, entity, known, _ENTITIES_LIMIT)
        days = known.values.get(value)
        if days is not None and days.last == day:
            return  # nearly always
        known.since = min(known.since, day)
        if days is None:
            remember(known.values, value, Days(day), _VALUES_LIMIT)
            return
        if day > days.last:  # once a day: what is used goes last
            remember(known.values, value, days, _VALUES_LIMIT)
            remember(self.entities, entity, known, _ENTITIES_LIMIT)
        days.mark(day)

    def is_new(
        self, entity: str, value: str, day: int, *, forget: int = 30, learn: int = 7, stays: int = 0
    ) -> bool:
        """Return whether value is new for entity on day: not seen in the forget days before.

        Nothing is new while entity's history is shorter than learn days: all of it would be. A value that
        appeared stays new for stays more days. forget is less than DEPTH.
        """
        known = self.entities.get(entity)
        if known is None or day - known.since < learn:
            return False
        days = known.values.get(value)
        return days is None or day - days.appeared(day, forget) <= stays

    def has_history(self, entity: str, day: int, learn: int = 7) -> bool:
        """Return whether entity was known for learn days before day."""
        known = self.entities.get(entity)
        return known is not None and day - known.since >= learn


class LastSeen(msgspec.Struct):
    """The two last days on which each entity was active, (the one before, the last)."""

    days: dict[str, tuple[int | None, int]] = {}

    def saw(self, entity: str, day: int) -> None:
        """Note that entity was active on day."""
        former, last = self.days.get(entity, (None, day))
        if day > last:
            former, last = last, day
        elif day < last and (former is None or day > former):
            former = day
        remember(self.days, entity, (former, last), _LAST_LIMIT)

    def rest(self, entity: str, day: int) -> int | None:
        """Return how many days before day entity was last active; None where that is not known."""
        former, last = self.days.get(entity, (None, day))
        before = last if last < day else former
        return day - before if before is not None and before < day else None


class Daily(msgspec.Struct, gc=False):
    """Sums by day, of the newest DEPTH days that have one."""

    days: dict[int, int] = {}

    def add(self, day: int, amount: int) -> None:
        """Add amount to the day's sum."""
        self.days[day] = self.days.get(day, 0) + amount
        if len(self.days) > DEPTH:
            del self.days[min(self.days)]

    def total(self, first: int, last: int) -> int:
        """Return the sum of the days from first to last, both included."""
        return sum(amount for day, amount in self.days.items() if first <= day <= last)

    def history(self, day: int) -> list[int]:
        """Return the sums of the days before day on which there was any, oldest first."""
        return [self.days[one] for one in sorted(self.days) if one < day]


class Cusum(msgspec.Struct, frozen=True):
    """The sum of what went beyond the allowance, and since which day it has not been back at 0."""

    score: int
    since: int


def cusum(sums: Daily, day: int, allowance: int) -> Cusum:
    """Return the cumulative sum S = max(0, S + x - allowance) over each day up to day (Page 1954).

    Days without a sum count as 0, so a rest takes off what came before. The score has the unit of the sums.
    """
    score, since = 0, day
    former: int | None = None
    for one in sorted(one for one in sums.days if one <= day):
        if former is not None:
            score = max(0, score - allowance * (one - former - 1))
        if score == 0:
            since = one
        score = max(0, score + sums.days[one] - allowance)
        former = one
    if former is not None:
        score = max(0, score - allowance * (day - former))
    return Cusum(score, since if score else day)


@functools.lru_cache(65_536)
def doublings(count: int) -> int:
    """Return log2(1 + count) in thousandths, rounded down, exactly: floor(log2(n ** 1000)) of n = 1 + count.

    Volumes are compared by it, for they differ by factors; a base is a unit only.

    Raises:
        ValueError: count is negative.
    """
    if count < 0:
        raise ValueError(f"no volume is {count}: bytes and counts are 0 or more")
    return int(((count + 1) ** _MILLI).bit_length() - 1)


def twice_median(values: Iterable[int]) -> int:
    """Return two times the median, which is a whole number also for an even count.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no median of nothing: ask for a minimum of history first")
    half = len(ordered) // 2
    return ordered[half] + ordered[-half - 1]


def robust_z(value: int, others: Sequence[int], *, floor: int = 300, least: int = 7) -> int | None:
    """Return 0.6745 (x - median) / MAD in thousandths, rounded down, of volumes by their doublings.

    others are the same person's days before, or the sums of their peers. floor is the least MAD, in
    thousandths of a doubling: the MAD of a sparse series is 0. None with fewer than least others.
    """
    if len(others) < max(least, 1):
        return None
    logs = [doublings(one) for one in others]
    middle = twice_median(logs)
    spread = max(twice_median(abs(2 * one - middle) for one in logs), 4 * max(floor, 1))
    return _Z * (2 * doublings(value) - middle) // spread
