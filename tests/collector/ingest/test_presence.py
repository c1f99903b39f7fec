"""Whose connection broke off: a kill is told, a blip, a restart and a storm are not."""

from __future__ import annotations

import pytest

from collector.alert import Alert
from collector.analysis import Analysis
from collector.correlations import agent_silent
from collector.ingest.presence import PATIENCE, VERB, Presence
from collector.record import Origin
from collector.settings import Detection as Settings
from tests.collector.rules.test_rule_order import records


def told(presence: Presence, now: float) -> list[str | None]:
    acts = presence.acts(now)
    assert {act.verb for act in acts} <= {VERB}
    return [act.object for act in acts]


@pytest.fixture
def presence() -> Presence:
    made = Presence()
    for number in range(20):
        made.came(f"agent{number}")
    return made


def test_a_connection_that_broke_off_is_told_once_after_a_while(presence: Presence) -> None:
    presence.went("agent3", by_us=False, time=77, now=100.0)
    assert told(presence, 100.0 + PATIENCE - 0.1) == []
    (act,) = presence.acts(100.0 + PATIENCE)
    assert (act.object, act.detail) == ("agent3", {"ended": "77"})
    assert told(presence, 200.0) == []


def test_a_network_blip_is_not_told(presence: Presence) -> None:
    presence.went("agent3", by_us=False, time=1, now=100.0)
    presence.came("agent3")
    assert told(presence, 200.0) == []


def test_what_the_collector_ended_itself_is_not_told(presence: Presence) -> None:
    presence.went("agent3", by_us=True, time=1, now=100.0)
    assert told(presence, 200.0) == []


def test_one_of_two_connections_says_nothing(presence: Presence) -> None:
    presence.came("agent3")
    presence.went("agent3", by_us=False, time=1, now=100.0)
    assert told(presence, 200.0) == []
    presence.went("agent3", by_us=False, time=2, now=300.0)
    assert told(presence, 400.0) == ["agent3"]


def test_many_at_once_are_the_network_and_not_told(presence: Presence) -> None:
    for number in range(9):
        presence.went(f"agent{number}", by_us=False, time=1, now=100.0)
    assert told(presence, 101.0) == []
    assert told(presence, 200.0) == []


def test_some_at_once_are_told(presence: Presence) -> None:
    for number in range(5):
        presence.went(f"agent{number}", by_us=False, time=1, now=100.0)
    assert told(presence, 200.0) == [f"agent{number}" for number in range(5)]


def test_who_had_left_is_not_named_for_a_kill() -> None:
    named = {}
    for story in agent_silent.CORRELATION.hits:
        engine = Analysis(Settings())
        alerts: list[Alert] = []
        for record in records(story):
            origin = Origin(record.agent, 1, "boot", record.host, record.index, record.received)
            alerts += engine.step(origin, [record.event], record.received)[1]
        named[story.why] = [one.person and one.person.name for one in alerts if one.rule == "agent-silent"]
    assert named["killed while alice was at work"] == ["alice"]
    assert named["killed after alice had left: nobody is named"] == [None]
