"""Events of the process connector (linux/cn_proc.h): exec and exit."""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from .netlink import HEADER, messages

_CN = struct.Struct("=IIIIHH")
_EVENT = struct.Struct("=IIQ")
_PIDS = struct.Struct("=II")
_EXIT = struct.Struct("=IIII")
_CN_PROC = (1, 1)
_EXEC_EVENT, _EXIT_EVENT = 0x2, 0x80000000
_LISTEN = 1
_DONE = 3


class ProcessEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of one CPU: sequence counts all of that CPU's, so a gap is a loss. mono is CLOCK_MONOTONIC ns.

    status is that of wait(2), for an exit; pid and tgid differ for a thread.
    """

    kind: Literal["exec", "exit", "other"]
    cpu: int
    sequence: int
    mono: int
    pid: int
    tgid: int
    status: int = 0


def listen_request(port: int) -> bytes:
    """Return the message that asks for the events, from the socket bound to that netlink port."""
    body = _CN.pack(*_CN_PROC, 0, 0, 4, 0) + struct.pack("=I", _LISTEN)
    return HEADER.pack(HEADER.size + len(body), _DONE, 0, 0, port) + body


def parse(raw: bytes) -> list[ProcessEvent]:
    """Return the events of one datagram; what is no event is left out."""
    return [event for _, _, body in messages(raw) if (event := _event(body)) is not None]


def _event(body: bytes) -> ProcessEvent | None:
    at = _CN.size
    if len(body) < at + _EVENT.size + _PIDS.size:
        return None
    index, value, sequence, acknowledges, *_ = _CN.unpack_from(body)
    if (index, value) != _CN_PROC or acknowledges:
        return None
    what, cpu, mono = _EVENT.unpack_from(body, at)
    at += _EVENT.size
    pid, tgid = _PIDS.unpack_from(body, at)
    if what == _EXEC_EVENT:
        return ProcessEvent("exec", cpu, sequence, mono, pid, tgid)
    if what == _EXIT_EVENT and len(body) >= at + _EXIT.size:
        _, _, status, _ = _EXIT.unpack_from(body, at)
        return ProcessEvent("exit", cpu, sequence, mono, pid, tgid, status)
    return ProcessEvent("other", cpu, sequence, mono, pid, tgid)
