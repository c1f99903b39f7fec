"""Records of kernel/bpf/dns.bpf.c: packets of sockets that ask. The layout is native-endian."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Literal

import msgspec

from evidence.kind import Endpoint

from . import bpf_owner
from .bpf_owner import Owner, parse_owner
from .ip import ip_text

_HEAD = struct.Struct("=BBHHHQQ")
_TAIL = struct.Struct("=16sI4x")
_PROTOCOLS: dict[int, Literal["tcp", "udp"]] = {6: "tcp", 17: "udp"}
_PREFIX = 2
"""Bytes before a message over TCP that tell its length (RFC 1035, 4.2.2)."""

SIZE = _HEAD.size + bpf_owner.SIZE + _TAIL.size


class PacketKind(IntEnum):
    """What a record holds: a DNS query, a DNS answer, or a TLS ClientHello."""

    QUERY = 1
    ANSWER = 2
    HELLO = 3


class Packet(msgspec.Struct, frozen=True, gc=False):
    """One record. mono is CLOCK_BOOTTIME ns; cut says whether payload is not all of its message.

    TCP's length is left out of a DNS message.
    """

    kind: PacketKind
    protocol: Literal["tcp", "udp"]
    mono: int
    cookie: int
    owner: Owner | None
    server: Endpoint
    netns: int
    payload: bytes
    cut: bool


def parse(raw: bytes) -> Packet:
    """Return the packet of a record.

    Raises:
        ValueError: it is shorter than it says, or of no known type or protocol.
    """
    if len(raw) < SIZE:
        raise ValueError(f"DNS record of {len(raw)} bytes, expected {SIZE} or more")
    kind, protocol, size, copied, port, mono, cookie = _HEAD.unpack_from(raw)
    if protocol not in _PROTOCOLS or len(raw) < SIZE + copied:
        raise ValueError(f"DNS record of protocol {protocol} with {copied} bytes in {len(raw) - SIZE}")
    address, netns = _TAIL.unpack_from(raw, _HEAD.size + bpf_owner.SIZE)
    payload, cut = raw[SIZE : SIZE + copied], copied < size
    if protocol == 6 and kind != PacketKind.HELLO:  # noqa: PLR2004 - TCP, as in _PROTOCOLS
        wanted = int.from_bytes(payload[:_PREFIX])
        payload = payload[_PREFIX : _PREFIX + wanted]
        cut = len(payload) < wanted
    return Packet(
        PacketKind(kind),
        _PROTOCOLS[protocol],
        mono,
        cookie,
        parse_owner(raw, _HEAD.size),
        Endpoint(ip=ip_text(address), port=port or None),
        netns,
        payload,
        cut,
    )
