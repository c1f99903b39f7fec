"""Hosts of the fleet: their roles, addresses, keys, and when they run and start anew."""

from __future__ import annotations

import bisect
from operator import attrgetter

import msgspec

from . import draws, people
from .settings import Settings

HOUR = 3600 * 10**9
DAY = 24 * HOUR
SHARES = {"web": 0.3, "app": 0.32, "db": 0.07, "data": 0.13, "build": 0.08, "bastion": 0.02, "backup": 0.01}
"""Roles of hosts and their part of the fleet (inferred); what is missing of the whole is app."""
_NETWORKS = {"web": 1, "app": 2, "db": 3, "data": 4, "build": 5, "bastion": 6, "backup": 7}
_CLOCK = 20_000_000
"""Nanoseconds: what a host's clock is off by, kept by NTP."""


_AT = attrgetter("at")


class Boot(msgspec.Struct, frozen=True):
    """A run of a host: its boot id and when it began (UTC ns)."""

    id: str
    at: int


class Host(msgspec.Struct, frozen=True, gc=False):
    """A host; seed is its signing key's, off by how many nanoseconds its clock is ahead.

    begins and ends are when it exists (UTC ns), boots its runs in that time: one if it is autoscaled.
    """

    name: str
    role: str
    ip: str
    agent: str
    seed: bytes
    begins: int
    ends: int
    boots: tuple[Boot, ...]
    off: int
    autoscaled: bool = False

    def boot(self, at: int) -> Boot:
        """Return the run that is on at a time (UTC ns)."""
        if len(self.boots) == 1 or at < self.boots[1].at:
            return self.boots[0]
        return self.boots[bisect.bisect(self.boots, at, key=_AT) - 1]

    def runs(self, at: int) -> bool:
        """Return whether the host exists at a time (UTC ns)."""
        return self.begins <= at < self.ends


def hosts(settings: Settings) -> tuple[Host, ...]:
    """Return the hosts of a fleet: those that stay, then the autoscaled ones in the order of their days."""
    count = round(settings.hosts * settings.autoscaled)
    staying = settings.hosts - count
    roles = [role for role, share in SHARES.items() for _ in range(max(1, round(share * staying)))]
    roles = (roles + ["app"] * staying)[:staying]
    numbers: dict[str, int] = {}
    made: list[Host] = []
    for role in roles:
        numbers[role] = numbers.get(role, 0) + 1
        name = f"{role}-{numbers[role]:02d}"
        ip = f"10.{_NETWORKS[role]}.{numbers[role] // 200}.{10 + numbers[role] % 200}"
        ends = settings.begin + settings.days * DAY
        life = (settings.begin, ends)
        made.append(_host(settings, (name, role, ip), life, _patched(settings, len(made))))
    return (*made, *_autoscaled(settings, count))


def patch_nights(settings: Settings, group: int) -> list[int]:
    """Return the days of the month whose night is a quarter of the fleet's maintenance."""
    return list(range(2 + group % 4, settings.days, settings.maintenance_every))


def _patched(settings: Settings, number: int) -> list[int]:
    draw = draws.stream(settings.seed, "reboots", number)
    nights = patch_nights(settings, number)
    return [settings.begin + day * DAY + 2 * HOUR + int(draw.random() * HOUR) for day in nights]


def _host(settings: Settings, called: tuple[str, str, str], life: tuple[int, int], starts: list[int]) -> Host:
    name, role, ip = called
    draw = draws.stream(settings.seed, "host", name)
    up = life[0] - int(draw.uniform(1, 200) * DAY) if starts else life[0]
    boots = [Boot(draws.digest(settings.seed, "boot", name, at).hex()[:32], at) for at in (up, *starts)]
    return Host(
        name=name,
        role=role,
        ip=ip,
        agent=draws.digest(settings.seed, "agent", name).hex()[:32],
        seed=draws.digest(settings.seed, "signing", name),
        begins=life[0],
        ends=life[1],
        boots=tuple(boots),
        off=int(draw.gauss(0, 0.3) * _CLOCK),
        autoscaled=name.startswith("web-x"),
    )


def _autoscaled(settings: Settings, count: int) -> list[Host]:
    """Return hosts that come in the morning of each day and go in the evening; fewer at weekends."""
    made: list[Host] = []
    for day in range(settings.days):
        draw = draws.stream(settings.seed, "autoscaling", day)
        wanted = count if people.weekday(settings, day) < people.SATURDAY else count // 3
        for slot in range(wanted):
            begin = settings.begin + day * DAY + int(draw.gauss(7.5, 0.8) * HOUR)
            end = min(begin + int(draw.gauss(11, 1.5) * HOUR), settings.begin + settings.days * DAY)
            called = (f"web-x{day:02d}{slot:02d}", "web", f"10.1.9.{10 + slot}")
            made.append(_host(settings, called, (begin, end), []))
    return made
