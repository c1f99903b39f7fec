"""What correlations share about one person's session: its key, and the words of a summary."""

from __future__ import annotations

import math

from evidence.kinds.process import Exec

from .record import Person, Record

_KILO = 1000
_UNITS = ("kB", "MB", "GB", "TB")

ARCHIVERS = "tar zip 7z 7za rar gzip bzip2 xz zstd pigz cpio ar gpg openssl pg_dump mysqldump mongodump"
"""Programs that pack or dump data before it leaves."""


def key(record: Record) -> str | None:
    """Return what groups the events of one person's session on one host; None where no person is known."""
    person = record.person
    if person is None:
        return None
    part = f"s{person.session}" if person.session is not None else person.name
    return f"{record.agent}|{record.boot}|{part}"


def describe(person: Person) -> str:
    """Return a person and how we know, for a summary."""
    parts = [f"how: {person.how}"]
    if person.session is not None:
        parts.append(f"audit session {person.session}")
    if person.fingerprint:
        parts.append(f"key {person.fingerprint}")
    if person.source:
        parts.append(f"from {person.source}")
    return f"{person.name} ({', '.join(parts)})"


def size(count: int) -> str:
    """Return a number of bytes for a person to read."""
    if count < _KILO:
        return f"{count} bytes"
    power = min(int(math.log10(count) / 3), len(_UNITS))
    return f"{count / _KILO**power:.1f} {_UNITS[power - 1]}"


def program(body: Exec) -> str:
    """Return the base name of what was executed."""
    return (body.exe or (body.argv[0] if body.argv else "")).rsplit("/", 1)[-1]
