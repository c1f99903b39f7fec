"""Framing of what lies in a spool file: magic, length, number, checksum, body. Pure.

A record is ``magic(4) length(u32) number(u64) crc32(u32) body``, big endian; the checksum covers length,
number and body. After damage `scan` finds the next record by its magic, so that a torn record never hides
good ones.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import msgspec

BODY_LIMIT = 4 << 20
"""Bytes of a body; a greater length is damage."""
_HEADER = struct.Struct(">4sIQI")
OVERHEAD = _HEADER.size


class Record(msgspec.Struct, frozen=True):
    """A whole record: where it begins, its number, its body."""

    offset: int
    number: int
    body: bytes


class Gap(msgspec.Struct, frozen=True):
    """Bytes that are no record."""

    offset: int
    length: int


def encode(magic: bytes, number: int, body: bytes) -> bytes:
    """Return one record; magic has four bytes."""
    head = struct.pack(">IQ", len(body), number)
    return magic + head + struct.pack(">I", zlib.crc32(body, zlib.crc32(head))) + body


def decode(raw: bytes, magic: bytes, offset: int = 0) -> Record | None:
    """Return the record at offset of raw, None where there is no whole one."""
    if len(raw) - offset < OVERHEAD:
        return None
    found, length, number, crc = _HEADER.unpack_from(raw, offset)
    end = offset + OVERHEAD + length
    if found != magic or length > BODY_LIMIT or end > len(raw):
        return None
    body = raw[offset + OVERHEAD : end]
    if zlib.crc32(body, zlib.crc32(raw[offset + 4 : offset + 16])) != crc:
        return None
    return Record(offset, number, body)


def scan(raw: bytes, magic: bytes) -> Iterator[Record | Gap]:
    """Yield every whole record of raw, and what lies between them that is none, in order."""
    at = 0
    while at < len(raw):
        record = decode(raw, magic, at)
        if record is not None:
            yield record
            at += OVERHEAD + len(record.body)
            continue
        following = _resync(raw, magic, at + 1)
        yield Gap(at, following - at)
        at = following


def _resync(raw: bytes, magic: bytes, start: int) -> int:
    """Return where the next whole record begins, the end of raw if there is none."""
    at = raw.find(magic, start)
    while at >= 0 and decode(raw, magic, at) is None:
        at = raw.find(magic, at + 1)
    return at if at >= 0 else len(raw)
