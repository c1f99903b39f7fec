"""How long the client certificate is good, when it is to be renewed, and when to warn."""

from __future__ import annotations

import _ssl
import datetime as dt
from pathlib import Path

import msgspec

_SHARE = 2 / 3
WARN_DAYS = (1, 7, 30)
_DAY = 86_400
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Life(msgspec.Struct, frozen=True):
    """A certificate's time, in UTC seconds."""

    begins: float
    ends: float

    def due(self, now: float) -> bool:
        """Return whether two thirds are over."""
        return now >= self.begins + (self.ends - self.begins) * _SHARE

    def expired(self, now: float) -> bool:
        """Return whether it is no longer valid."""
        return now >= self.ends

    def warning(self, now: float) -> int | None:
        """Return 1, 7 or 30 once so many days or fewer are left of a certificate that is due, else None.

        A certificate made for fewer days warns only when renewal is late.
        """
        if not self.due(now):
            return None
        return next((days for days in WARN_DAYS if self.ends - now <= days * _DAY), None)


def life(path: Path) -> Life:
    """Return the times of the first certificate in a PEM file.

    Raises:
        OSError: it cannot be read, or there is none.
        ValueError: its times are none.
    """
    # cryptography.x509 would take two megabytes for as long as ship runs; ssl tells this of peers alone.
    told = _ssl._test_decode_cert(path)  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other name
    return Life(_seconds(told["notBefore"]), _seconds(told["notAfter"]))


def _seconds(text: str) -> float:
    """Return "Jan  5 09:34:43 2018 GMT" as UTC seconds (ASN1_TIME_print(3)).

    ssl.cert_time_to_seconds would load `_strptime`, which ship may not read any more once it gave up root.
    """
    month, day, clock, year, _ = text.split()
    hour, minute, second = map(int, clock.split(":"))
    date = dt.datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=dt.UTC)
    return date.timestamp()


def utc(seconds: float) -> str:
    """Return a time as ISO 8601."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
