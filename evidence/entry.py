"""Entries of the ledger: one type byte and the exact bytes it stands for; the leaf hash covers both."""

from __future__ import annotations

import enum
import hashlib

import msgspec

from .errors import CodecError, TooLarge

ENTRY_LIMIT = 65_535
"""Bytes of an entry, as C2SP tlog-tiles allows."""


class EntryType(enum.IntEnum):
    """What an entry is; the payload is a DSSE envelope for batch, equivocation and acts, else JSON."""

    BATCH = 1
    ENROLMENT = 2
    ROTATION = 3
    REVOCATION = 4
    EQUIVOCATION = 5
    ACT = 6
    SETTING = 7
    RETENTION = 8
    SUCCESSOR = 9


class Entry(msgspec.Struct, frozen=True):
    """An entry, read."""

    type: EntryType
    payload: bytes


def encode(kind: EntryType, payload: bytes) -> bytes:
    """Return the entry's bytes.

    Raises:
        TooLarge: it would exceed ENTRY_LIMIT.
    """
    if len(payload) + 1 > ENTRY_LIMIT:
        raise TooLarge(f"entry: {len(payload) + 1} bytes, at most {ENTRY_LIMIT}")
    return bytes([kind]) + payload


def decode(entry: bytes) -> Entry:
    """Read an entry.

    Raises:
        CodecError: it is empty or of an unknown type.
    """
    try:
        return Entry(EntryType(entry[0]), entry[1:])
    except (IndexError, ValueError) as error:
        raise CodecError(f"entry: {entry[:1].hex() or 'no'} type byte is unknown") from error


def digest(entry: bytes) -> str:
    """Return the hex SHA-256 of an entry, as a chain's first statement quotes its enrolment."""
    return hashlib.sha256(entry).hexdigest()
