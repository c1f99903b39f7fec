"""Addresses of interfaces as rtnetlink dumps them (rtnetlink(7), linux/if_addr.h)."""

from __future__ import annotations

import struct

import msgspec

from .ip import ip_text
from .netlink import HEADER, attributes

_GET_ADDRESS, _DUMP = 22, 0x301
_MESSAGE = struct.Struct("=BBBBI")
_ADDRESS, _LOCAL = 1, 2


class InterfaceAddress(msgspec.Struct, frozen=True):
    """An address, such as ``10.0.0.5/24``, of the interface with that index."""

    index: int
    address: str


def address_request() -> bytes:
    """Return the request for all addresses of this network namespace."""
    body = _MESSAGE.pack(0, 0, 0, 0, 0)
    return HEADER.pack(HEADER.size + len(body), _GET_ADDRESS, _DUMP, 0, 0) + body


def parse_address(body: bytes) -> InterfaceAddress:
    """Return the address of one message's payload; of a point-to-point interface its own end.

    Raises:
        ValueError: it is shorter than such a message, or has no IP address.
    """
    if len(body) < _MESSAGE.size:
        raise ValueError(f"address message of {len(body)} bytes")
    _, prefix, _, _, index = _MESSAGE.unpack_from(body)
    found = dict(attributes(body[_MESSAGE.size :]))
    raw = found.get(_LOCAL) or found.get(_ADDRESS)
    if raw is None:
        raise ValueError("address message without address")
    return InterfaceAddress(index, f"{ip_text(raw)}/{prefix}")
