"""How long the client certificate is good, when it is to be renewed, and when to warn."""

from __future__ import annotations

import _ssl
import datetime as dt
import ssl
from pathlib import Path

import msgspec

_SHARE = 2 / 3
WARN_DAYS = (1, 7, 30)
_DAY = 86_400


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
    """
    # cryptography.x509 would take two megabytes for as long as ship runs; ssl tells this of peers alone.
    told = _ssl._test_decode_cert(path)  # type: ignore[attr-defined]  # noqa: SLF001 - it has no other name
    return Life(ssl.cert_time_to_seconds(told["notBefore"]), ssl.cert_time_to_seconds(told["notAfter"]))


def utc(seconds: float) -> str:
    """Return a time as ISO 8601."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
