"""Records of kernel/bpf/connection.bpf.c as flows. The layout is native-endian, as its struct flow_record."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.connection import Direction

from . import bpf_owner
from .bpf_owner import Owner, parse_owner
from .ip import ip_text

_HEAD = struct.Struct("=HBB4xQQQQQII")
_TUPLE = struct.Struct("=16s16sHHI")
_DIRECTIONS: dict[int, Direction] = {1: "out", 2: "in"}

SIZE = _HEAD.size + bpf_owner.SIZE + _TUPLE.size


class FlowEvent(IntEnum):
    """What a record reports."""

    OPEN = 1
    CLOSE = 2
    LISTEN = 3
    REPORT = 4


class Flow(msgspec.Struct, frozen=True, gc=False):
    """One record. mono and opened are CLOCK_BOOTTIME ns; opened and direction are None where it was not seen.

    sent counts an outbound SYN besides the payload (see `payload_out`).
    """

    event: FlowEvent
    direction: Direction | None
    mono: int
    cookie: int
    opened: int | None
    sent: int
    received: int
    packets_out: int
    packets_in: int
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
    event, direction, _, mono, cookie, opened, *counts = _HEAD.unpack_from(raw, at)
    sent, received, packets_out, packets_in = counts
    local, remote, local_port, remote_port, netns = _TUPLE.unpack_from(raw, at + _HEAD.size + bpf_owner.SIZE)
    return Flow(
        FlowEvent(event),
        _DIRECTIONS.get(direction),
        mono,
        cookie,
        opened or None,
        sent,
        received,
        packets_out,
        packets_in,
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


def payload_out(sent: int, direction: Direction) -> int:
    """Return the payload of sent bytes: whoever connected also sent a SYN, which counts as one."""
    return max(0, sent - 1) if direction == "out" else sent
