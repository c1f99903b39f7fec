"""SIGTERM ends ship soon, asleep or without an answer of its collector; what is left is sent first."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.commands import ship as command
from agent.settings import Settings
from agent.shipping.wake import Alarm
from agent.supervision.notify import Notifier
from agent.supervision.signals import Stopped, StopSignals
from tests.agent.enrolled import Agent, collector_settings, enrolled
from tests.agent.fake_collector import FakeCollector, running

LONG = 3600.0


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with running(FakeCollector(), tmp_path) as collector:
        made = Agent(collector, enrolled(collector, tmp_path / "state"))
        yield made
        made.channel.close()


def stopped(settings: Settings, ready: int, notifier: Notifier | None = None) -> int:
    """Run ship in a child until `ready` is readable, send SIGTERM, and return how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = command.ship(settings, notifier)
        finally:
            os._exit(code)
    watched = os.pidfd_open(pid)
    try:
        assert select.select([ready], [], [], 60)[0]
        os.kill(pid, signal.SIGTERM)
        if not select.select([watched], [], [], 60)[0]:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(watched)


def test_a_post_without_an_answer_is_given_up(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.shipping.ship_process.DRAIN", 0.2)
    agent.append()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}"
        to = msgspec.structs.replace(collector_settings(agent.collector), ingest=address, timeout=LONG)
        settings = Settings(state=agent.layout.state, collector=to)
        assert stopped(settings, silent.fileno()) == 0


def test_sleep_is_given_up(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "agent.shipping.ship.IDLE",
        "agent.shipping.ship_process.IDLE",
        "agent.shipping.renewer.EVERY",
    ):
        monkeypatch.setattr(name, LONG)
    (agent.layout.out / "heads").touch()
    reading, writing = os.pipe()

    class Telling(Alarm):
        def wait(self, seconds: float, others: tuple[int, ...] = ()) -> None:
            os.write(writing, b"asleep")
            super().wait(seconds, others)

    monkeypatch.setattr("agent.shipping.ship_process.Alarm", Telling)
    settings = Settings(state=agent.layout.state, collector=collector_settings(agent.collector))
    try:
        assert stopped(settings, reading) == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_what_is_left_is_sent_first(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()

    class Late(Alarm):
        def wait(self, seconds: float, others: tuple[int, ...] = ()) -> None:  # noqa: ARG002 - as it is
            for _ in range(20):
                agent.append()
            os.write(writing, b"asleep")
            select.select(others, [], [])

    monkeypatch.setattr("agent.shipping.ship_process.Alarm", Late)
    settings = Settings(state=agent.layout.state, collector=collector_settings(agent.collector))
    try:
        assert stopped(settings, reading) == 0
    finally:
        os.close(reading)
        os.close(writing)
    assert len(agent.collector.batches) == 20


def test_limited_work_is_ended_without_an_error() -> None:
    signals = StopSignals()
    try:
        with signals.limited(0.05):
            select.select([], [], [], 60)
        with signals.limited(60):
            pass
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signals.close()


def test_a_signal_before_the_work_ends_it_too() -> None:
    signals = StopSignals()
    try:
        with signals.interruptible():
            pass
        signal.raise_signal(signal.SIGTERM)
        assert signals.reason() == "SIGTERM"
        with pytest.raises(Stopped), signals.interruptible():
            pytest.fail("it began")
    finally:
        signals.close()


def test_the_manager_of_its_unit_hears_of_it(agent: Agent, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        settings = Settings(state=agent.layout.state, collector=collector_settings(agent.collector))
        code = stopped(settings, manager.fileno(), Notifier({"NOTIFY_SOCKET": path}))
        manager.settimeout(10)
        heard = [manager.recv(1000).partition(b"\n")[0] for _ in range(3)]
    assert (code, sorted(heard)) == (0, [b"READY=1", b"STOPPING=1", b"WATCHDOG=1"])
