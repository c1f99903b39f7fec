"""Writes a small database of countries in MaxMind's format 2.0, for tests.

The format is at https://maxmind.github.io/MaxMind-DB/: a binary tree of the address's bits with records of 24
bits, 16 zero bytes, the records' data, and metadata after a marker.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

_MAP, _UTF8, _UINT32, _ARRAY = 7, 2, 6, 11
_BITS = 128


def database(countries: Mapping[str, object]) -> bytes:
    """Return a database; countries is a record by network (CIDR)."""
    tree: list[list[object]] = [[None, None]]
    data, offsets = b"", {}
    for cidr, record in countries.items():
        offsets[cidr] = len(data)
        data += _encode(record)
        _insert(tree, ipaddress.ip_network(cidr), cidr)
    nodes = b"".join(_pointer(side, len(tree), offsets) for node in tree for side in node)
    metadata = {
        "node_count": len(tree), "record_size": 24, "ip_version": 6, "database_type": "Test", "languages": [],
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1,
        "description": {},
    }  # fmt: skip
    return nodes + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encode(metadata)


def _insert(
    tree: list[list[object]], network: ipaddress.IPv4Network | ipaddress.IPv6Network, name: str
) -> None:
    number, length = int(network.network_address), network.prefixlen + _BITS - network.max_prefixlen
    at = 0
    for depth in range(length):
        side = number >> (_BITS - 1 - depth) & 1
        if depth == length - 1:
            tree[at][side] = name
            return
        if tree[at][side] is None:
            tree.append([None, None])
            tree[at][side] = len(tree) - 1
        following = tree[at][side]
        assert isinstance(following, int)
        at = following


def _pointer(side: object, count: int, offsets: Mapping[str, int]) -> bytes:
    if isinstance(side, str):
        return (count + 16 + offsets[side]).to_bytes(3, "big")
    return (count if side is None else int(str(side))).to_bytes(3, "big")


def _encode(value: object) -> bytes:
    if isinstance(value, dict):
        return _control(_MAP, len(value)) + b"".join(_encode(k) + _encode(v) for k, v in value.items())
    if isinstance(value, list):
        return _control(_ARRAY, len(value)) + b"".join(map(_encode, value))
    if isinstance(value, str):
        return _control(_UTF8, len(value.encode())) + value.encode()
    raw = int(str(value)).to_bytes(4, "big").lstrip(b"\0")
    return _control(_UINT32, len(raw)) + raw


def _control(kind: int, size: int) -> bytes:
    """Return the control byte; kinds above 7 have a second byte. Sizes are below 29."""
    return bytes([kind << 5 | size]) if kind <= _MAP else bytes([size, kind - _MAP])
