"""What is normal for a person, a host or a pair, out of rows by day; and why something was not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..measures.baselines import DAY, twice_median
from ..organisation.known import Known

HOUR = 3_600_000_000_000
"""Nanoseconds."""


class Spread(msgspec.Struct, frozen=True):
    """Bytes of the days on which there were any: how many days, and how they lie."""

    days: int
    total: int
    median: int
    mad: int
    p95: int
    most: int


class Used(msgspec.Struct, frozen=True):
    """A host, person or program: on how many days, how often, when first and last (UTC ns)."""

    name: str
    days: int
    events: int
    first: int
    last: int


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """The other end of connections: bytes that left to it by day, and came from it in all.

    direction is who opened them: out, by the host; in, by the other end. use is what the operator told.
    """

    name: str
    address: str
    direction: str
    out: Spread
    into: int
    first: int
    last: int
    use: str | None = None


class Hours(msgspec.Struct, frozen=True, omit_defaults=True):
    """On how many days there was activity in each hour of clock; told are the usual ones, half open.

    clock is the person's own where the operator told it.
    """

    clock: str
    days: tuple[int, ...]
    told: tuple[int, int] | None = None


class Peers(msgspec.Struct, frozen=True):
    """Those of the same role or group: how many, how many of them moved bytes, and all their days."""

    same: str
    people: int
    active: int
    sent: Spread
    fetched: Spread


class Day(msgspec.Struct, frozen=True, gc=False):
    """Bytes of somebody on a day (of UTC) with one other end."""

    person: str | None
    day: int
    direction: str
    address: str
    name: str
    out: int
    into: int
    first: int
    last: int


def spread(sums: Iterable[int]) -> Spread:
    """Return how the sums of days lie; the 95th percentile is the nearest rank's."""
    ordered = sorted(sums)
    if not ordered:
        return Spread(0, 0, 0, 0, 0, 0)
    middle = twice_median(ordered)
    mad = twice_median(abs(2 * one - middle) for one in ordered) // 4
    rank = -(-95 * len(ordered) // 100) - 1
    return Spread(len(ordered), sum(ordered), middle // 2, mad, ordered[rank], ordered[-1])


def by_day(days: Iterable[Day], direction: str, known: Known | None) -> dict[int, int]:
    """Return the bytes that left by day: over connections that hosts opened (out), or accepted (in).

    What they sent to an address that is known to the operator is left out; with None it is not.
    """
    sums: dict[int, int] = {}
    for one in days:
        inside = direction == "out" and known is not None and known.is_known(one.address)
        if one.direction == direction and one.out and not inside:
            sums[one.day] = sums.get(one.day, 0) + one.out
    return sums


def places(days: Iterable[Day], known: Known) -> list[Place]:
    """Return the other ends, those on most days first, then those of most bytes."""
    found: dict[tuple[str, str], list[Day]] = {}
    for one in days:
        found.setdefault((one.direction, one.name), []).append(one)
    made = [_place(direction, name, own, known) for (direction, name), own in found.items()]
    return sorted(made, key=lambda one: (-one.out.days, -one.out.total, one.name))


def _place(direction: str, name: str, days: Sequence[Day], known: Known) -> Place:
    newest = max(days, key=lambda one: one.last)
    return Place(
        name,
        newest.address,
        direction,
        spread(_sums(days).values()),
        sum(one.into for one in days),
        min(one.first for one in days),
        newest.last,
        known.use(newest.address),
    )


def _sums(days: Iterable[Day]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for one in days:
        sums[one.day] = sums.get(one.day, 0) + one.out
    return sums


def hours(found: Iterable[int], person: str | None, known: Known) -> Hours:
    """Return activity by hour; found are the hours since 1970 in which there was any."""
    human = known.human(person) if person is not None else None
    counts = [0] * 24
    for one in found:
        counts[hour_of(one * HOUR, person, known)] += 1
    clock = human.timezone if human is not None and human.timezone is not None else "UTC"
    return Hours(clock, tuple(counts), human.hours if human is not None else None)


def hour_of(time: int, person: str | None, known: Known) -> int:
    """Return the hour (0 to 23) of a time by the person's own clock, else by UTC."""
    own = known.local_hour(person, time) if person is not None else None
    return own if own is not None else time // HOUR % 24


def peers(person: str, days: Sequence[Day], known: Known, outside: Known | None) -> Peers | None:
    """Return how those who do the same work compare, by `by_day`; None where the operator told of none."""
    names = known.peers(person)
    human = known.human(person)
    if not names or human is None:
        return None
    role = human.role is not None and any(
        (other := known.human(one)) is not None and other.role == human.role for one in names
    )
    same = f"role {human.role}" if role else f"group {', '.join(human.groups)}"
    sent, fetched = (each(days, names, direction, outside) for direction in ("out", "in"))
    active = len({one for sums in (sent, fetched) for one, own in sums.items() if own})
    return Peers(same, len(names), active, spread(all_days(sent)), spread(all_days(fetched)))


def each(
    days: Sequence[Day], names: Iterable[str], direction: str, known: Known | None
) -> dict[str, dict[int, int]]:
    """Return the bytes by day, as `by_day`, of each of these persons."""
    return {name: by_day((one for one in days if one.person == name), direction, known) for name in names}


def all_days(of_each: Mapping[str, Mapping[int, int]]) -> list[int]:
    """Return the sums of all days of all of them."""
    return [count for own in of_each.values() for count in own.values()]


def day_begin(time: int) -> int:
    """Return the beginning of the UTC day of a time, both UTC ns."""
    return time // DAY * DAY
