"""Header of a syslog file's line: traditional (RFC 3164) or RFC 3339 time, host, program and pid."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

from evidence.text import to_text

LINE_LIMIT = 8192
"""Bytes of a line that are looked at; rsyslog's own default bound of a message."""

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TRADITIONAL = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) ")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
_REST = re.compile(r"(\S{1,255}) ([^\s:\[\]]{1,64})(?:\[(\d{1,10})\])?: ?")


class Line(msgspec.Struct, frozen=True, gc=False):
    """One message of a log. time is UTC ns; escaped says that message is in the form of `to_text`."""

    time: int
    program: str
    pid: int | None
    message: str
    escaped: bool = False


def parse_line(raw: bytes, now: int, zone: tzinfo) -> Line | None:
    """Return the line's header and message, or None when it has no such header.

    now (UTC ns) gives the year that the traditional form lacks, and the best guess below its whole second;
    zone is the host's, in which that form is written.
    """
    text, escaped = to_text(raw[:LINE_LIMIT])
    stamp = _stamp(text, now, zone)
    if stamp is None:
        return None
    time, end = stamp
    rest = _REST.match(text, end)
    if rest is None:
        return None
    pid = int(rest[3]) if rest[3] else None
    return Line(time, rest[2], pid, text[rest.end() :].strip(), escaped)


def _stamp(text: str, now: int, zone: tzinfo) -> tuple[int, int] | None:
    """Return the time (UTC ns) and where it ends in text."""
    try:
        if match := _TRADITIONAL.match(text):
            return _traditional(match, now, zone), match.end()
        if match := _RFC3339.match(text):
            whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
            return _nanoseconds(whole) + int((match[2] or "0").ljust(9, "0")), match.end()
    except (ValueError, OverflowError):
        pass
    return None


def _traditional(match: re.Match[str], now: int, zone: tzinfo) -> int:
    """Return the newest time of that date and clock that is not more than a day ahead of now.

    The form has whole seconds. The latest moment within that second that is not in the future is taken, so
    that a line read as it is written is not dated before the processes it tells of.
    """
    clock = datetime.fromtimestamp(now // _SECOND, zone)
    month, day = _MONTHS.index(match[1]) + 1, int(match[2])
    hour, minute, second = int(match[3]), int(match[4]), min(int(match[5]), 59)
    for year in range(clock.year + 1, clock.year - 9, -1):
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        except ValueError:  # 29 February, or no date at all
            continue
        if moment <= clock + timedelta(days=1):
            start = _nanoseconds(moment)
            return max(start, min(now, start + _SECOND - 1))
    raise ValueError(f"no year in which {match[0]!r} is a date")


def _nanoseconds(moment: datetime) -> int:
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _SECOND
