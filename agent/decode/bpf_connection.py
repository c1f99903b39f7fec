"""Records of kernel/bpf/flow.h as flows. The layouts are native-endian, as its structs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.connection import Direction, Protocol

from . import bpf_owner
from .bpf_owner import Owner, parse_owner
from .ip import ip_text

_HEAD = struct.Struct("=HBBIQQQQQQQQ")
_TUPLE = struct.Struct("=16s16sHHI")
_WINDOW = struct.Struct("=48xI4x")
_DIRECTIONS: dict[int, Direction] = {1: "out", 2: "in"}
_PROTOCOLS: dict[int, Protocol] = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}

SIZE = _HEAD.size + bpf_owner.SIZE + _TUPLE.size
KEY_SIZE = _WINDOW.size
_HINT = struct.pack("=H", 6)


class FlowEvent(IntEnum):
    """What a record reports."""

    OPEN = 1
    CLOSE = 2
    LISTEN = 3
    REPORT = 4
    SUM = 5
    HINT = 6


class Flow(msgspec.Struct, frozen=True, gc=False):
    """One record. mono and opened are CLOCK_BOOTTIME ns; opened and direction are None where it was not seen.

    A SUM holds several flows: cookie, opened and owner are those of the first, a port that is not common to
    all is None, and released of its sockets are closed. Where the direction was not seen, sent counts an
    outbound SYN besides the payload (see `payload_out`).
    """

    event: FlowEvent
    protocol: Protocol
    direction: Direction | None
    flows: int
    mono: int
    cookie: int
    opened: int | None
    sent: int
    received: int
    packets_out: int
    packets_in: int
    released: int
    owner: Owner | None
    local: Endpoint
    remote: Endpoint
    netns: int


def parse(raw: bytes, at: int = 0) -> Flow:
    """Return the record that begins at byte `at`.

    Raises:
        ValueError: it is shorter than a record, or of no known type.
    """
    if len(raw) - at < SIZE:
        raise ValueError(f"flow record of {len(raw) - at} bytes, expected {SIZE}")
    event, direction, protocol, flows, mono, cookie, opened, *counts = _HEAD.unpack_from(raw, at)
    sent, received, packets_out, packets_in, released = counts
    if protocol not in _PROTOCOLS:
        raise ValueError(f"flow record of protocol {protocol}, expected one of {sorted(_PROTOCOLS)}")
    local, remote, local_port, remote_port, netns = _TUPLE.unpack_from(raw, at + _HEAD.size + bpf_owner.SIZE)
    return Flow(
        FlowEvent(event),
        _PROTOCOLS[protocol],
        _DIRECTIONS.get(direction),
        flows,
        mono,
        cookie,
        opened or None,
        sent,
        received,
        packets_out,
        packets_in,
        released,
        parse_owner(raw, at + _HEAD.size),
        Endpoint(ip=ip_text(local), port=local_port or None),
        Endpoint(ip=ip_text(remote), port=remote_port or None),
        netns,
    )


def parse_all(raw: bytes) -> Iterator[Flow]:
    """Yield the records of an iterator's output; a torn last one is left out.

    Raises:
        ValueError: a record is of no known type.
    """
    for at in range(0, len(raw) - SIZE + 1, SIZE):
        yield parse(raw, at)


def is_hint(raw: bytes) -> bool:
    """Return whether a record only says that something waits elsewhere."""
    return raw[:2] == _HINT


def window_of(key: bytes) -> int:
    """Return the window of a key of the sums."""
    window: int = _WINDOW.unpack(key)[0]
    return window


def payload_out(flow: Flow, direction: Direction) -> int:
    """Return the payload sent: whoever connected also sent a SYN, which counts as one."""
    return max(0, flow.sent - 1) if flow.direction is None and direction == "out" else flow.sent
