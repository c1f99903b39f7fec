"""A job that connects out is one finding with its table, whichever of the three is told first."""

from __future__ import annotations

import itertools

import pytest

from collector.analysis import Analysis
from collector.correlations.persistence_egress import CORRELATION
from collector.record import Origin
from collector.rule import BEGIN, Step, Story
from collector.settings import Detection
from evidence.event import stamp

SECOND = 1_000_000_000
BY_CRON = [story for story in CORRELATION.hits if "table" in story.why]


def last_word(steps: tuple[Step, ...], order: tuple[int, ...]) -> tuple[str, str | None, tuple[str, ...]]:
    engine, alerts = Analysis(Detection()), []
    for at in order:
        step = steps[at]
        event = stamp(step.body, seq=at + 1, time=BEGIN + int(step.at * SECOND), mono=at + 1)
        alerts += engine.step(Origin("a1", 1, "b", "web1", at, BEGIN), [event], BEGIN)[1]
    alerts += engine.tick(BEGIN + 100 * SECOND)
    found = [one for one in alerts if one.rule == CORRELATION.id][-1]
    return found.severity, found.destination, tuple(sorted(found.evidence))


@pytest.mark.parametrize("story", BY_CRON, ids=lambda story: story.why)
def test_the_connection_counts_in_any_order(story: Story) -> None:
    steps = story.steps
    told = last_word(steps, tuple(range(len(steps))))
    assert told[:2] == ("medium", "203.0.113.9")
    for order in itertools.permutations(range(len(steps))):
        assert last_word(steps, order) == told, order
