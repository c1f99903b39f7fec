"""An audit rule for execs, set while a test wants the kernel to tell them (linux/audit.h)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_SET, _ADD, _DELETE = 1001, 1011, 1012
_EXIT_FILTER, _ALWAYS, _ARCH, _EQUAL = 4, 2, 11, 0x40000000
_X86_64 = 0xC000003E
_CALLS = (59, 322)


@contextlib.contextmanager
def ruled() -> Iterator[None]:
    """Let the kernel tell execs, and take that back; skip where it cannot be asked for."""
    if os.geteuid() != 0:
        pytest.skip("an audit rule needs root")
    if platform.machine() != "x86_64":
        pytest.skip("the rule of this test names x86-64 calls")
    with (Path(tempfile.gettempdir()) / "vedette-audit-rule.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the rule is the kernel's: one test at a time
        try:
            _ask(_ADD, _rule())
        except OSError as error:
            pytest.skip(f"no audit rule can be set here: {error}")
        try:
            _ask(_SET, struct.pack("=10I", 1, 1, *[0] * 8))
            yield
        finally:
            _ask(_SET, struct.pack("=10I", 1, 0, *[0] * 8))
            _ask(_DELETE, _rule())


def _ask(kind: int, payload: bytes) -> None:
    """Send a request to the audit subsystem and wait for its acknowledgement."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as control:
        control.settimeout(5)
        control.send(struct.pack("=IHHII", 16 + len(payload), kind, 5, 1, 0) + payload)
        while True:
            reply = control.recv(8192)
            if struct.unpack_from("=H", reply, 4)[0] == 2:
                error = struct.unpack_from("=i", reply, 16)[0]
                if error:
                    raise OSError(-error, os.strerror(-error))
                return


def _rule() -> bytes:
    """Return struct audit_rule_data for: always, exit, arch=b64, execve and execveat."""
    mask = [0] * 64
    for call in _CALLS:
        mask[call // 32] |= 1 << call % 32
    rest = [0] * 63
    return struct.pack(
        "=III64I64I64I64II",
        *(_EXIT_FILTER, _ALWAYS, 1, *mask, _ARCH, *rest, _X86_64, *rest, _EQUAL, *rest, 0),
    )
