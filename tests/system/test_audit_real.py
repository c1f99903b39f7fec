"""The audit rung on this kernel: it reads what a rule makes the kernel tell, and nothing waits for it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from agent.sensors.process import SENSOR
from evidence.kinds.process import Exec
from tests.agent.audit_rule import ruled
from tests.agent.feeds_at_work import moment, opened, run, rung_of

AUDIT = rung_of(SENSOR, "audit")

pytestmark = pytest.mark.root


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
