"""Netlink framing (linux/netlink.h): a datagram holds messages, a message may hold attributes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF

DONE, ERROR = 3, 2


def messages(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, sequence number and payload of each message; a malformed rest is left out."""
    at = 0
    while at + HEADER.size <= len(raw):
        length, kind, _, sequence, _ = HEADER.unpack_from(raw, at)
        if length < HEADER.size or at + length > len(raw):
            return
        yield kind, sequence, raw[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each attribute; a malformed rest is left out."""
    at = 0
    while at + _ATTRIBUTE.size <= len(raw):
        length, kind = _ATTRIBUTE.unpack_from(raw, at)
        if length < _ATTRIBUTE.size or at + length > len(raw):
            return
        yield kind & _TYPE_MASK, raw[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
