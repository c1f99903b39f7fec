"""Points in time as analysts write them: ISO-8601, ``now``, or an age such as ``-1h`` or ``2d``."""

from __future__ import annotations

import datetime as dt
import re

from ..errors import QueryError

_NANOSECONDS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9}
_AGE = re.compile(r"-?([0-9]{1,9})([smhdw])")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2}))?(?:\.([0-9]{1,9}))?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LATEST = (1 << 63) - 1
"""UTC ns; the last moment a column can hold."""


def parse(text: str, now: int) -> int:
    """Return text as UTC ns; an age counts back from now (UTC ns), a time without zone is UTC.

    Raises:
        QueryError: it is none of the forms, or no date there is.
    """
    if text == "now":
        return now
    age = _AGE.fullmatch(text)
    if age:
        return max(0, now - int(age[1]) * _NANOSECONDS[age[2]])
    iso = _ISO.fullmatch(text)
    if iso is None:
        raise QueryError(f"{text[:40]!r} is no time: write 2026-01-31, 2026-01-31T08:00:00Z, -1h, 2d or now")
    return _from_iso(iso, text)


def until(text: str, now: int) -> int:
    """Return text as UTC ns to come: ``7d`` or ``+7d`` counts from now, else as `parse`.

    Raises:
        QueryError: it is none of the forms.
    """
    age = _AGE.fullmatch(text.removeprefix("+"))
    return now + int(age[1]) * _NANOSECONDS[age[2]] if age else parse(text, now)


def _from_iso(iso: re.Match[str], text: str) -> int:
    date, minutes, seconds, fraction, zone = iso.groups()
    stamp = f"{date}T{minutes or '00:00'}:{seconds or '00'}{'+00:00' if zone in (None, 'Z') else zone}"
    try:
        moment = dt.datetime.fromisoformat(stamp)
    except ValueError as error:
        raise QueryError(f"{text[:40]!r} is no time: {error}") from error
    whole = (moment - _EPOCH) // dt.timedelta(seconds=1)
    nanoseconds = whole * 10**9 + int((fraction or "0").ljust(9, "0"))
    if not 0 <= nanoseconds <= LATEST:
        raise QueryError(f"{text[:40]!r} is outside 1970 to 2262")
    return nanoseconds


def to_iso(nanoseconds: int) -> str:
    """Return UTC ns as ISO-8601 with microseconds and Z."""
    moment = _EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
