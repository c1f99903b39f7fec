"""What is done through an io_uring is seen: a file written, one unlinked, a connection made, and the ring."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.kernel.procfs import read_process
from agent.ladder import climb
from agent.processes import ProcessTable
from agent.sensor import Context, Feed, Sensor
from agent.sensors import connection, file, io_uring, process
from agent.settings import File, Settings
from evidence.kind import Body
from evidence.kinds.act import Ring
from evidence.kinds.connection import Close, Open
from evidence.kinds.file import Change, Create, Delete
from tests.agent.feeds_at_work import moment, wait

pytestmark = pytest.mark.root

PROGRAM = Path(__file__).with_name("ring_operations.py")


class Eyes:
    """The feeds of several sensors, read as watch does."""

    def __init__(self, settings: Settings, state: Path) -> None:
        self.table = ProcessTable(Settings().process.table, read_process)
        around = Context(settings, state, self.table, moment)
        sensors = (process.SENSOR, file.SENSOR, connection.SENSOR, io_uring.SENSOR)
        self.feeds = [self._opened(sensor, around) for sensor in sensors]
        self.seen: list[Body] = []

    @staticmethod
    def _opened(sensor: Sensor, around: Context) -> Feed:
        climbed = climb(sensor, around, wait)
        if climbed.feed is None:
            pytest.skip(f"{sensor.name}: {climbed.tried}")
        return climbed.feed

    def read(self) -> None:
        for feed in self.feeds:
            for one in feed.read(moment()):
                self.table.observe(one.body, one.mono or moment().mono)
                self.seen.append(one.body)

    def until(self, accept: Callable[[Body], bool]) -> Body:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.read()
            for body in self.seen:
                if accept(body):
                    return body
            select.select([fd for feed in self.feeds for fd in feed.filenos()], (), (), 0.05)
        pytest.fail(f"not seen among {Counter(type(body).__name__ for body in self.seen)}")

    def close(self) -> None:
        for feed in self.feeds:
            feed.close()


def test_a_file_written_a_file_unlinked_and_a_connection_made_through_a_ring(tmp_path: Path) -> None:
    tree, state = tmp_path / "tree", tmp_path / "state"
    tree.mkdir()
    state.mkdir()
    path, other = tree / "ringed", tree / "other"
    other.write_text("there before")
    eyes = Eyes(Settings(file=File(trees=(str(tree),), sensitive=(), scan_pressure=100.0)), state)
    try:
        while (eyes.feeds[1].period or 0) < 1:  # until the baseline is learned
            eyes.read()
            time.sleep(0.05)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            child = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(path), str(other), str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "written\n"
            ring = eyes.until(lambda body: isinstance(body, Ring) and by(body, child.pid))
            written = eyes.until(
                lambda body: (
                    isinstance(body, Create | Change)
                    and body.path == str(path)
                    and body.after is not None
                    and body.after.size == len("through a ring")
                )
            )
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "connected\n"
            gone = eyes.until(lambda body: isinstance(body, Delete) and body.path == str(other))
            child.communicate("\n", timeout=20)
            made = eyes.until(
                lambda body: (
                    isinstance(body, Open | Close) and body.direction == "out" and body.remote.port == port
                )
            )
    finally:
        eyes.close()
    assert isinstance(ring, Ring)
    assert ring.entries == 8
    for body in (written, gone, made):
        assert by(body, child.pid), body


def by(body: Body, pid: int) -> bool:
    actor = getattr(body, "actor", None)
    return actor is not None and actor.pid == pid
