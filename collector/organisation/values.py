"""Single values of the operator's files, read strictly. Pure.

Every function returns the value of what stands there, or raises SettingsError with what is wrong with it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re

from ..errors import SettingsError
from .known import zone

TEXT_LIMIT = 200
"""Characters of one value."""
SEPARATOR = ";"
"""What stands between several values in a cell of CSV, and so in no value."""
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}|MD5:[0-9a-f]{2}(?::[0-9a-f]{2}){15}")
_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}")
_HOURS = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_ENDS = 2
_DAY_HOURS = 24
_YEARS = (1970, 2200)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def text(said: object) -> str:
    """Return a name or a sentence."""
    if not isinstance(said, str):
        raise SettingsError(f"{shown(said)} is no text")
    trimmed = said.strip()
    if not trimmed or len(trimmed) > TEXT_LIMIT:
        raise SettingsError(f"{shown(said)} has {len(trimmed)} characters, permitted are 1 to {TEXT_LIMIT}")
    if not trimmed.isprintable() or SEPARATOR in trimmed:
        raise SettingsError(f"{shown(said)} has a control character or {SEPARATOR!r}")
    return trimmed


def word(said: object) -> str:
    """Return a text without blanks, such as an account."""
    found = text(said)
    if any(mark.isspace() for mark in found):
        raise SettingsError(
            f"{shown(said)} has a blank; several values in CSV are separated by {SEPARATOR!r}"
        )
    return found


def domain(said: object) -> str:
    """Return a domain name in lower case, without the root's dot."""
    name = word(said).lower().rstrip(".")
    if not _DOMAIN.fullmatch(name):
        raise SettingsError(f"{shown(said)} is no domain name; those below it need no wildcard")
    return name


def fingerprint(said: object) -> str:
    """Return the fingerprint of a public key."""
    found = word(said)
    if not _FINGERPRINT.fullmatch(found):
        raise SettingsError(f"{shown(said)} is no key fingerprint as `ssh-keygen -lf` prints it (SHA256:…)")
    return found


def timezone(said: object) -> str:
    """Return the IANA name of a time zone that this system has."""
    name = word(said)
    try:
        zone(name)
    except ValueError as error:
        raise SettingsError(f"{error}; write it as Europe/Berlin") from error
    return name


def hours(said: object) -> tuple[int, int]:
    """Return begin and end of [8, 18] or ``8-18``."""
    match = _HOURS.fullmatch(said) if isinstance(said, str) else None
    pair = [int(part) for part in match.groups()] if match else said
    if not (isinstance(pair, list) and len(pair) == _ENDS and all(type(one) is int for one in pair)):
        raise SettingsError(f"{shown(said)} is no pair of hours; write [8, 18] in TOML, 8-18 in CSV")
    begin, end = pair
    if not (0 <= begin < _DAY_HOURS and 0 <= end <= _DAY_HOURS and begin != end):
        raise SettingsError(f"{shown(said)} is no interval of a day; hours are 0 to {_DAY_HOURS}")
    return begin, end


def cidr(said: object) -> str:
    """Return a network; an address alone is one of a single host."""
    found = word(said)
    try:
        return str(ipaddress.ip_network(found))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(found, strict=False)
    except ValueError as error:
        raise SettingsError(
            f"{shown(said)} is no network; write it as 192.0.2.0/24 or 2001:db8::/32"
        ) from error
    raise SettingsError(f"{shown(said)} has bits beyond its prefix; did you mean {meant}?")


def use(said: object) -> str:
    """Return what a network is to us."""
    if said not in ("own", "service", "backup"):
        raise SettingsError(f"{shown(said)} is none of own, service, backup")
    return str(said)


def time(said: object) -> int:
    """Return an ISO 8601 time of UTC as ns since the epoch."""
    moment = said
    if isinstance(said, str):
        try:
            moment = dt.datetime.fromisoformat(said)
        except ValueError as error:
            raise SettingsError(f"{shown(said)} is no time; write it as 2026-03-01T22:00:00Z") from error
    if not isinstance(moment, dt.datetime) or moment.utcoffset() != dt.timedelta():
        raise SettingsError(f"{shown(said)} is no time of UTC; write it as 2026-03-01T22:00:00Z")
    if not _YEARS[0] <= moment.year < _YEARS[1]:
        raise SettingsError(f"{shown(said)} is not between {_YEARS[0]} and {_YEARS[1]}")
    return (moment - _EPOCH) // _MICROSECOND * 1_000


def shown(said: object) -> str:
    """Return a value as an error may show it: as it was written, on one line, not too long."""
    plain = said.isoformat() if isinstance(said, dt.datetime | dt.date | dt.time) else repr(said)
    return plain if len(plain) <= TEXT_LIMIT else f"{plain[:TEXT_LIMIT]}…"
