"""Every rung of the process, connection and DNS sensors keeps the contract of agent/sensor.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.ladder import climb
from agent.sensor import Moment, Rung, Sensor
from agent.sensors import all_sensors
from agent.sensors.connection import SENSOR as CONNECTION
from agent.sensors.dns import SENSOR as DNS
from agent.sensors.process import SENSOR as PROCESS
from agent.timeline import Timeline
from evidence.kinds.connection import Close, Listen, Open, Report
from evidence.kinds.dns import Query
from evidence.kinds.process import Exec, Exit
from tests.agent.audit_rule import ruled
from tests.agent.feeds_at_work import context, moment, opened, wait

pytestmark = pytest.mark.root

EVERY_RUNG = [
    pytest.param(sensor, rung, id=f"{sensor.name}-{rung.name}")
    for sensor in (PROCESS, CONNECTION, DNS)
    for rung in sensor.rungs
]
every_rung = pytest.mark.parametrize(("sensor", "rung"), EVERY_RUNG)
polling = pytest.mark.parametrize(
    "rung",
    [
        pytest.param(rung, id=f"{sensor.name}-{rung.name}")
        for sensor in (PROCESS, CONNECTION)
        for rung in sensor.rungs
        if rung.name in {"poll", "diag"}
    ],
)
every_feed = pytest.mark.parametrize("rung", [pytest.param(one.values[1], id=one.id) for one in EVERY_RUNG])


@pytest.fixture(autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the kernel tell what the audit rung reads; the other rungs need nobody's rules."""
    is_audit = "rung" in request.fixturenames and request.getfixturevalue("rung").name == "audit"
    with ruled() if is_audit else contextlib.nullcontext():
        yield


KINDS = {"process": Exec | Exit, "connection": Open | Report | Close | Listen, "dns": Query}


def test_all_are_found_by_being_in_their_folder() -> None:
    assert {PROCESS.name, CONNECTION.name, DNS.name} <= {sensor.name for sensor in all_sensors()}


@every_feed
def test_sees_its_own_trigger_again_and_again(rung: Rung, tmp_path: Path) -> None:
    with opened(rung, tmp_path) as watched:
        for _ in range(2):
            accept = watched.feed.trigger()
            assert accept(watched.until(accept))


@every_rung
def test_shows_bodies_of_its_kinds_with_a_time_that_has_been(
    sensor: Sensor, rung: Rung, tmp_path: Path
) -> None:
    with opened(rung, tmp_path) as watched:
        begun, timeline = moment().mono, Timeline(moment())
        watched.until(watched.feed.trigger())
        for one in watched.seen:
            assert isinstance(one.body, KINDS[sensor.name])
            mono = timeline.place(one, moment()).mono
            assert begun - 1_000_000_000 <= mono <= moment().mono


@every_feed
def test_loses_nothing_while_it_is_read(rung: Rung, tmp_path: Path) -> None:
    with opened(rung, tmp_path) as watched:
        watched.until(watched.feed.trigger())
        lost = {loss.cause for loss in watched.feed.losses(moment())}
        assert lost <= {"poll_gap"}, "a poll that a busy host held up says so"


@every_feed
def test_gives_back_every_descriptor(rung: Rung, tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    with opened(rung, tmp_path) as watched:
        watched.until(watched.feed.trigger())
    before = len(list(descriptors.iterdir()))
    with opened(rung, tmp_path) as watched:
        watched.feed.trigger()
    assert len(list(descriptors.iterdir())) == before


@every_rung
def test_the_ladder_takes_it_when_it_is_chosen(sensor: Sensor, rung: Rung, tmp_path: Path) -> None:
    with opened(rung, tmp_path):
        pass  # skips where the machine refuses this rung
    climbed = climb(sensor, context(tmp_path), wait, rung.name)
    assert climbed.feed is not None, climbed.tried
    climbed.feed.close()
    assert climbed.rung == rung.name
    assert [health.works for health in climbed.tried] == [True]


@polling
def test_a_feed_that_looks_now_and_then_tells_when_nobody_looked(rung: Rung, tmp_path: Path) -> None:
    with opened(rung, tmp_path) as watched:
        now = moment()
        list(watched.feed.read(Moment(now.time, now.mono + 60_000_000_000)))
        losses = list(watched.feed.losses(now))
    assert [(loss.cause, loss.count) for loss in losses] == [("poll_gap", None)]
