"""A correlation's last word is the same whatever order the same events arrive in."""

from __future__ import annotations

import random

import msgspec
import pytest

from collector.alert import Alert
from collector.alerts.wording import resaid
from collector.analysis import Analysis
from collector.correlations import chain_broken
from collector.detections import admin_account
from collector.record import Origin, Person, Record
from collector.risk import BY_SESSION
from collector.rule import BEGIN, Rule, Story
from collector.rules import rule_folders
from collector.settings import Detection as Settings
from evidence.event import stamp

SECOND = 1_000_000_000
LATE = 600 * SECOND
SITE = Settings(known_destinations=("127.0.0.0/8", "192.0.2.0/24"))
RULES: list[Rule] = [
    admin_account.DETECTION,
    *rule_folders.correlations(),
]
BY_ARRIVAL = chain_broken.CORRELATION
"""Its examples are of what arrives in another order, or not at all."""
IN_ORDER = frozenset({"killed while alice was at work", "killed after alice had left: nobody is named"})
"""That a connection ended is recorded after all that came over it."""
STORIES = [
    pytest.param(rule, story, id=f"{rule.id}: {story.why}")
    for rule in RULES
    for story in rule.hits
    if story.organisation is None and rule is not BY_ARRIVAL and story.why not in IN_ORDER
]


def records(story: Story) -> list[Record]:
    made: list[Record] = []
    for seq, step in enumerate(story.steps, start=1):
        at = BEGIN + int(step.at * SECOND)
        event = stamp(step.body, seq=seq, time=at, mono=at - BEGIN + SECOND)
        made.append(Record(step.agent, 1, "boot", step.agent, seq, at + SECOND // 10, event))
    return made


def late(arriving: list[Record], seed: int) -> list[Record]:
    """Return the events in an order in which each may be ten minutes late."""
    chance = random.Random(seed)  # noqa: S311 - the same orders each time
    return sorted(arriving, key=lambda record: record.event.time + chance.randrange(LATE))


def last_words(rule: Rule, arriving: list[Record]) -> dict[str, Alert]:
    """Return by entity what is told last once all has arrived and been quiet."""
    engine = Analysis(SITE)
    now = max(record.received for record in arriving)
    alerts: list[Alert] = []
    for record in arriving:
        origin = Origin(record.agent, record.epoch, record.boot, record.host, record.index, now)
        alerts += engine.step(origin, [record.event], now)[1]
    for quiet in range(3):
        alerts += engine.tick(now + (quiet + 1) * 1000 * SECOND)
    sessions = {(one.agent, one.boot, one.session): one.person for one in engine.sessions()}
    return {alert.entity: read(alert, sessions) for alert in alerts if alert.rule == rule.id}


def read(alert: Alert, sessions: dict[tuple[str, str, int], Person]) -> Alert:
    """Return an alert as readers show it, with whose session it turned out to be."""
    person = alert.person
    if person is None or person.session is None or person.how not in BY_SESSION:
        return alert
    now = sessions.get((alert.agent, alert.boot or "", person.session), person)
    return msgspec.structs.replace(alert, summary=resaid(alert.summary, person, now), person=now)


def said(alerts: dict[str, Alert]) -> dict[str, tuple[object, ...]]:
    return {
        entity: (one.summary, one.bytes_out, one.severity, one.details, sorted(one.evidence)[:20])
        for entity, one in alerts.items()
    }


@pytest.mark.parametrize(("rule", "story"), STORIES)
def test_shuffled_arrival_ends_in_the_same_words(rule: Rule, story: Story) -> None:
    arriving = records(story)
    expected = said(last_words(rule, arriving))
    assert expected
    for seed in range(6):
        shuffled = late(arriving, seed)
        assert said(last_words(rule, shuffled)) == expected
