"""The audit rung on this kernel: it reads what a rule makes the kernel tell, and nothing waits for it."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sensors.process import SENSOR
from evidence.kinds.process import Exec
from tests.agent.feeds_at_work import moment, opened, run, rung_of

AUDIT = rung_of(SENSOR, "audit")
_SET, _ADD, _DELETE = 1001, 1011, 1012
_EXIT_FILTER, _ALWAYS, _ARCH, _EQUAL = 4, 2, 11, 0x40000000
_X86_64 = 0xC000003E
_CALLS = (59, 322)

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="an audit rule needs root"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the rule of this test names x86-64 calls"),
]


def ask(kind: int, payload: bytes) -> None:
    """Send a request to the audit subsystem and wait for its acknowledgement (linux/audit.h)."""
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


def rule() -> bytes:
    """Return struct audit_rule_data for: always, exit, arch=b64, execve and execveat."""
    mask = [0] * 64
    for call in _CALLS:
        mask[call // 32] |= 1 << call % 32
    rest = [0] * 63
    return struct.pack(
        "=III64I64I64I64II",
        *(_EXIT_FILTER, _ALWAYS, 1, *mask, _ARCH, *rest, _X86_64, *rest, _EQUAL, *rest, 0),
    )


@contextlib.contextmanager
def ruled() -> Iterator[None]:
    """Let the kernel tell execs, and take that back."""
    try:
        ask(_ADD, rule())
    except OSError as error:
        pytest.skip(f"no audit rule can be set here: {error}")
    try:
        ask(_SET, struct.pack("=10I", 1, 1, *[0] * 8))
        yield
    finally:
        ask(_SET, struct.pack("=10I", 1, 0, *[0] * 8))
        ask(_DELETE, rule())


def test_each_exec_is_told_once_with_its_arguments(tmp_path: Path) -> None:
    with ruled(), opened(AUDIT, tmp_path) as watched:
        for number in range(300):
            run("/bin/true", "audited", str(number))
        last = ("/bin/true", "audited", "299")
        watched.until(lambda body: isinstance(body, Exec) and body.argv == last)
        execs = [one.body for one in watched.seen if isinstance(one.body, Exec)]
        assert [body.argv[2] for body in execs if body.argv[:2] == last[:2]] == [str(at) for at in range(300)]
        assert all(body.ppid == os.getpid() for body in execs if body.argv[:2] == last[:2])
        assert list(watched.feed.losses(moment())) == []


def test_a_rung_that_nothing_tells_is_not_believed(tmp_path: Path) -> None:
    with opened(AUDIT, tmp_path) as watched:
        saw = watched.feed.trigger()
        time.sleep(0.5)
        watched.read()
        assert not any(saw(one.body) for one in watched.seen)


def test_nobody_waits_for_a_reader_that_does_not_read(tmp_path: Path) -> None:
    """What is not read in time is dropped for us, and said; the kernel goes on: it is no backlog of ours."""
    with ruled(), opened(AUDIT, tmp_path) as watched:
        number = watched.feed.filenos()[0]
        with socket.socket(fileno=os.dup(number)) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        for at in range(300):
            run("/bin/true", "unread", str(at))
        time.sleep(0.5)
        watched.read()
        told = sum(isinstance(one.body, Exec) and "unread" in one.body.argv for one in watched.seen)
        assert told < 300
        assert "audit_overrun" in [loss.cause for loss in watched.feed.losses(moment())]
