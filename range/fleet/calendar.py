"""What is planned, and what happens to everybody: releases, maintenance nights, who is on call, incidents."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from . import draws
from .hosts import DAY, HOUR, patch_nights
from .people import Person, weekday
from .settings import Settings


class Span(msgspec.Struct, frozen=True):
    """An interval (UTC ns), why, and for whom; hosts are patterns."""

    start: int
    end: int
    why: str
    persons: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Incident(msgspec.Struct, frozen=True):
    """Something that broke at night: when (UTC ns), for how long somebody worked on it, and who."""

    at: int
    seconds: float
    person: str


class Calendar(msgspec.Struct, frozen=True):
    """changes and on_call are what the operator tells the collector; incidents nobody tells."""

    changes: tuple[Span, ...]
    on_call: tuple[Span, ...]
    incidents: tuple[Incident, ...]
    releases: tuple[int, ...]
    patched: dict[int, str]


def calendar(settings: Settings, people: Sequence[Person]) -> Calendar:
    """Return a fleet's calendar."""
    admins = [one for one in people if one.duty.is_admin] or list(people)
    draw = draws.stream(settings.seed, "calendar")
    on_call = [_watch(settings, week, draw.choice(admins)) for week in range(settings.days // 7 + 1)]
    nights = sorted({day for group in range(4) for day in patch_nights(settings, group)})
    patched = {day: draw.choice(admins).name for day in nights}
    changes = tuple(
        Span(
            settings.begin + day * DAY + HOUR,
            settings.begin + day * DAY + 4 * HOUR,
            "patching",
            (patched[day],),
        )
        for day in nights
    )
    incidents = [
        Incident(at, draws.lognormal(draw, 2400, 0.8), _holder(on_call, at))
        for day in range(settings.days)
        for _ in range(draws.poisson(draw, settings.rates.incidents))
        for at in (settings.begin + day * DAY + int(draw.uniform(18, 30) * HOUR),)
        if at < settings.begin + settings.days * DAY - 6 * HOUR
    ]
    releases = tuple(day for day in range(settings.days) if weekday(settings, day) in settings.release_days)
    return Calendar(changes, tuple(on_call), tuple(incidents), releases, patched)


def _watch(settings: Settings, week: int, person: Person) -> Span:
    start = settings.begin + week * 7 * DAY
    return Span(start, start + 7 * DAY, f"week {week + 1}", (person.name,))


def _holder(on_call: Sequence[Span], at: int) -> str:
    return next(one.persons[0] for one in on_call if one.start <= at < one.end)
