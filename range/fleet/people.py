"""Who works with the fleet: roles, habits, hours, tools, and where they come from."""

from __future__ import annotations

import base64
import datetime as dt
import zoneinfo
from typing import Literal

import msgspec

from . import draws
from .place import Place, common
from .settings import Settings

RoleName = Literal["developer", "operator", "analyst", "database", "support", "tester"]
_NAMES = (
    "ada", "ben", "cleo", "dan", "eva", "finn", "gina", "hugo", "iris", "jan", "kim", "lena", "max",
    "nora", "otto", "pia", "quin", "rosa", "sven", "tara", "ugo", "vera", "will", "xena", "yara", "zoe",
)  # fmt: skip
_FIRST_UID = 2000
SATURDAY = 5
_PLACES = (0, 1, 1, 2, 3, 5)
"""How many servers outside somebody uses by habit: of each number as many people (inferred)."""
_OVER_VPN, _TOLD_HOURS = 0.6, 0.7
"""Parts of the people (inferred): the others come to a public address; nobody's list of hours is whole."""


class Role(msgspec.Struct, frozen=True):
    """What people of a role do: share is of all people, sessions a day, hosts roles of hosts that they use.

    acts are weights of what a session holds beside looking around. sends is on which part of the days they
    send to a place outside that they use; factor multiplies volumes.
    """

    share: float
    sessions: float
    hosts: tuple[str, ...]
    acts: dict[str, float]
    sends: float = 0.1
    factor: float = 1.0
    is_admin: bool = False
    by_bastion: float = 0.5


ROLES: dict[RoleName, Role] = {
    "developer": Role(
        0.42, 3.0, ("app", "build", "web"),
        {"git": 3, "fetch": 0.6, "copy": 0.8, "download": 1, "query": 0.6, "container": 1, "edit": 2,
         "archive": 0.25, "package": 0.2, "tunnel": 0.1, "curl": 1},
    ),
    "operator": Role(
        0.2, 5.0, ("web", "app", "db", "data", "build"),
        {"root": 3, "edit": 1, "copy": 1.2, "service": 1, "package": 1, "archive": 0.4, "curl": 1.5,
         "fetch": 0.4, "schedule": 0.05, "container": 1, "tunnel": 0.1, "secret": 0.05},
        is_admin=True, by_bastion=0.4,
    ),
    "analyst": Role(
        0.14, 2.0, ("data", "db"),
        {"query": 3, "fetch": 2.5, "archive": 0.6, "git": 0.6, "download": 0.6, "edit": 1},
        sends=0.25, factor=6.0,
    ),
    "database": Role(
        0.06, 3.0, ("db", "data"),
        {"query": 3, "root": 1.5, "dump": 0.8, "copy": 1, "fetch": 0.5, "service": 1.5, "edit": 1},
        factor=4.0, is_admin=True, by_bastion=0.8,
    ),
    "support": Role(
        0.1, 2.5, ("app", "web"),
        {"fetch": 1.5, "curl": 1, "query": 0.5, "archive": 0.5}, sends=0.35, factor=1.5, by_bastion=0.8,
    ),
    "tester": Role(
        0.08, 2.0, ("app", "build"),
        {"git": 1.5, "download": 1.5, "curl": 2, "container": 1.5, "fetch": 0.6, "copy": 0.5},
    ),
}  # fmt: skip
"""Shares and weights are inferred, from how teams of this size are usually made up."""

_ZONES = (
    ("Europe/Berlin", "DE", "198.51.100", 0.55),
    ("Europe/London", "GB", "198.51.101", 0.15),
    ("America/New_York", "US", "198.51.102", 0.2),
    ("Asia/Kolkata", "IN", "198.51.103", 0.1),
)
"""Time zone, country, network that homes are in, part of the people."""
PLACES = {network: country for _zone, country, network, _part in _ZONES}


class Person(msgspec.Struct, frozen=True):
    """Somebody. begins and ends are hours of their clock; joined is a day, negative for long before.

    away are days off. home is the address they come from without the VPN, vpn the address within it. places
    are servers outside that they send to by habit, hosts patterns of their work; factor multiplies volumes,
    tools are what they prefer for sending. told_hours: the operator said when they work.
    """

    name: str
    account: str
    uid: int
    key: str
    role: RoleName
    zone: str
    begins: int
    ends: int
    home: str
    vpn: str
    uses_vpn: bool
    by_bastion: bool
    joined: int
    away: frozenset[int]
    places: tuple[Place, ...]
    factor: float
    tools: tuple[str, ...]
    told_hours: bool

    @property
    def duty(self) -> Role:
        """What people of this role do."""
        return ROLES[self.role]

    def works(self, settings: Settings, day: int) -> bool:
        """Return whether a day of the month is a working day of theirs."""
        return day >= self.joined and day not in self.away and weekday(settings, day) < SATURDAY

    def hour(self, settings: Settings, day: int, hour: float) -> int:
        """Return the time (UTC ns) at which it is that hour of a day by their clock."""
        begin = dt.datetime.fromtimestamp(settings.begin // 10**9, dt.UTC) + dt.timedelta(days=day)
        midnight = begin.replace(tzinfo=zoneinfo.ZoneInfo(self.zone))
        return int(midnight.timestamp()) * 10**9 + int(hour * 3600 * 10**9)


def weekday(settings: Settings, day: int) -> int:
    """Return the weekday of a day of the month, Monday as 0."""
    return (dt.datetime.fromtimestamp(settings.begin // 10**9, dt.UTC) + dt.timedelta(days=day)).weekday()


def people(settings: Settings) -> tuple[Person, ...]:
    """Return the people of a fleet."""
    draw = draws.stream(settings.seed, "roles")
    names = list(ROLES)
    shares = [ROLES[name].share for name in names]
    roles = [name for name in names for _ in range(round(ROLES[name].share * settings.people))]
    roles = (roles + draw.choices(names, shares, k=settings.people))[: settings.people]
    places = common(settings.seed)
    return tuple(_person(settings, number, role, places) for number, role in enumerate(roles))


def _person(settings: Settings, number: int, role: RoleName, places: tuple[Place, ...]) -> Person:
    draw = draws.stream(settings.seed, "person", number)
    zone, _country, network, _part = draw.choices(_ZONES, [one[3] for one in _ZONES])[0]
    account = _NAMES[number % len(_NAMES)] + (str(number // len(_NAMES)) if number >= len(_NAMES) else "")
    begins = round(draw.gauss(8.5, 1.0))
    joined = draw.randrange(2, max(3, settings.days - 4)) if draw.random() < settings.joiners else -100
    return Person(
        name=account.capitalize(),
        account=account,
        uid=_FIRST_UID + number,
        key="SHA256:" + base64.b64encode(draws.digest(settings.seed, "key", number)).decode().rstrip("="),
        role=role,
        zone=zone,
        begins=begins,
        ends=begins + draw.choice((8, 9, 9, 10)),
        home=f"{network}.{10 + number % 240}",
        vpn=f"10.200.{number // 200}.{10 + number % 200}",
        uses_vpn=draw.random() < _OVER_VPN,
        by_bastion=draw.random() < ROLES[role].by_bastion,
        joined=joined,
        away=_away(settings, number),
        places=tuple(dict.fromkeys(draws.zipf(draw, places, 0.9) for _ in range(draw.choice(_PLACES)))),
        factor=draws.lognormal(draw, ROLES[role].factor, settings.volumes.person_sigma),
        tools=tuple(draw.sample(("scp", "rsync", "sftp", "curl"), 2)),
        told_hours=draw.random() < _TOLD_HOURS,
    )


def _away(settings: Settings, number: int) -> frozenset[int]:
    draw = draws.stream(settings.seed, "away", number)
    days: set[int] = set()
    for day in range(settings.days):
        if draw.random() < settings.rates.away:
            days.update(range(day, day + draw.choice((1, 2, 7, 14))))
    return frozenset(days)
