"""Who takes data in a month, how, when and how much: the answers that a detector is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from evidence.kinds.connection import Close

from . import draws, techniques
from .calendar import Calendar
from .hosts import DAY, HOUR, Host
from .people import Person
from .settings import Settings
from .technique import Plan, Technique
from .work import Visit, Work
from .world import World

_LEAST = 20_000
"""Bytes of a day below which nothing worth having left."""
_OWN_DAYS = 5


class Insider(msgspec.Struct, frozen=True):
    """One insider. days are those (of the month, from 0) on which data leaves; bytes all that does.

    own are the 50th, 75th and 95th percentile of what they send to outside on a day, without this.
    """

    person: str
    account: str
    role: str
    technique: str
    number: int
    what: str
    quiet: bool
    days: tuple[int, ...]
    bytes: int
    own: tuple[int, int, int]


def is_outside(ip: str) -> bool:
    """Return whether an address is no host of the fleet; the VPN's end is a laptop, so it is outside."""
    return not ip.startswith("10.") or ip.startswith("10.200.")


def insiders(
    settings: Settings, hosts: Sequence[Host], calendar: Calendar, people: Sequence[Person]
) -> tuple[tuple[Insider, ...], tuple[Visit, ...]]:
    """Return the insiders, and all their visits beside their ordinary work."""
    draw = draws.stream(settings.seed, "insiders")
    ways = list(techniques.load())
    draw.shuffle(ways)
    left = [one for one in people if one.joined < 0]
    draw.shuffle(left)
    count = round(settings.insiders * settings.people)
    quiet = [number < round(settings.quiet * count) for number in range(count)]
    draw.shuffle(quiet)
    made: list[Insider] = []
    visits: list[Visit] = []
    for number in range(count):
        way = ways[number % len(ways)]
        person = next((one for one in left if _can(settings, one, way)), None)
        if person is None:
            continue
        left.remove(person)
        work = Work(World(settings, hosts), calendar, (person,))
        own = _daily(work)
        if len(own) < _OWN_DAYS:
            continue
        insider, theirs = _plan(
            settings, person, way, (work.habitual[person.name][0], own), quiet=quiet[number]
        )
        made.append(insider)
        visits += theirs
    return tuple(made), tuple(visits)


def _days(settings: Settings, person: Person) -> list[int]:
    return [day for day in range(settings.first_act, settings.days - 2) if person.works(settings, day)]


def _can(settings: Settings, person: Person, way: Technique) -> bool:
    return len(_days(settings, person)) >= max(3, way.needs) and (person.duty.is_admin or not way.is_admin)


def _plan(
    settings: Settings, person: Person, way: Technique, habit: tuple[str, list[int]], *, quiet: bool
) -> tuple[Insider, list[Visit]]:
    host, own = habit
    draw = draws.stream(settings.seed, "plan", person.account)

    def size() -> float:
        if quiet:
            found = float(quantile(own, draw.uniform(settings.quiet_least, settings.quiet_most)))
        else:
            found = draws.lognormal(draw, settings.loud_median, settings.loud_sigma)
        return max(_LEAST, min(found, _most(draw, way) or found))

    plan = Plan(settings, person, draw, _days(settings, person), host, size=size)
    visits = way.visits(plan)
    shown = (quantile(own, 0.5), quantile(own, 0.75), quantile(own, 0.95))
    insider = Insider(
        person.name, person.account, person.role, way.name, way.number, way.what, quiet,
        tuple(sorted(plan.acts)), plan.bytes, shown,
    )  # fmt: skip
    return insider, visits


def _most(draw: Random, way: Technique) -> float | None:
    return None if way.most is None else way.most * draw.uniform(0.3, 1.0)


def _daily(work: Work) -> list[int]:
    """Return what somebody's ordinary work sends to outside on each day it does, from least to most.

    Their month is played for it without anybody else's: it comes out the same, for its numbers are its own.
    """
    world, settings = work.world, work.world.settings
    for day in range(settings.days):
        for visit in work.visits(day):
            work.play(visit)
    sums: dict[int, int] = {}
    for hour in range(settings.begin // HOUR, (settings.begin + settings.days * DAY) // HOUR):
        for at, _machine, body in world.take(hour):
            if isinstance(body, Close) and body.bytes_out and is_outside(body.remote.ip):
                day = at // DAY
                sums[day] = sums.get(day, 0) + body.bytes_out
    return sorted(sums.values())


def quantile(ordered: Sequence[int], part: float) -> int:
    """Return the value that a part of the ordered ones is below."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]
