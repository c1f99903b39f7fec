"""DNS messages for tests, written as RFC 1035 has them, with and without compressed names."""

from __future__ import annotations

import ipaddress
import struct

A, NS, CNAME, SOA, TXT, AAAA, OPT = 1, 2, 5, 6, 16, 28, 41
RESPONSE, CUT = 0x8000, 0x0200


def name(text: str) -> bytes:
    """Return a name without compression."""
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def pointer(to: int) -> bytes:
    return struct.pack("!H", 0xC000 | to)


def question(text: str, kind: int = A) -> bytes:
    return name(text) + struct.pack("!HH", kind, 1)


def record(owner: bytes, kind: int, data: bytes, *, ttl: int = 60, of_class: int = 1) -> bytes:
    return owner + struct.pack("!HHIH", kind, of_class, ttl, len(data)) + data


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def message(
    number: int,
    asked: bytes,
    answers: tuple[bytes, ...] = (),
    *,
    flags: int = 0,
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
) -> bytes:
    """Return a message with one question and the records given."""
    counts = struct.pack("!HHHHHH", number, flags, 1, len(answers), len(authority), len(additional))
    return counts + asked + b"".join((*answers, *authority, *additional))


def answered(number: int, text: str, *addresses: str, ttl: int = 60, rcode: int = 0) -> bytes:
    """Return the answer to a question for the addresses of one family."""
    kind = AAAA if addresses and ":" in addresses[0] else A
    records = tuple(record(pointer(12), kind, address(one), ttl=ttl) for one in addresses)
    return message(number, question(text, kind), records, flags=RESPONSE | 0x180 | rcode)
