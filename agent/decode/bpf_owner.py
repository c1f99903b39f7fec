"""The process behind a socket, as kernel/bpf/owner.h writes it. The layout is native-endian."""

from __future__ import annotations

import struct

import msgspec

from .bpf_process import known

_OWNER = struct.Struct("=QQIIIII4x")

SIZE = _OWNER.size


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The process at the socket; exec_* is it, or the ancestor it was forked from that executed something."""

    pid: int
    start: int
    exec_pid: int
    exec_start: int
    uid: int | None
    auid: int | None
    session: int | None


def parse_owner(raw: bytes, at: int) -> Owner | None:
    """Return the owner that stands at byte `at`, whole in raw; None where nobody is named."""
    start, exec_start, pid, exec_pid, uid, auid, session = _OWNER.unpack_from(raw, at)
    if not pid:
        return None
    return Owner(pid, start, exec_pid, exec_start, known(uid), known(auid), known(session))
