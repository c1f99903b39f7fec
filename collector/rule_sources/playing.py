"""Plays the stories beside rules through an engine, as the pipeline would show it what happens. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from evidence.event import stamp

from ..alert import Alert
from ..engine import Engine
from ..organisation.known import Known
from ..record import Arrival, Origin, Record
from ..rule import BEGIN, Rule, Story
from ..rules.own_rules import FAULT

_SECOND = 1_000_000_000


def records(story: Story) -> list[Record]:
    """Return the story's events in order of arrival; each is received just after it happened."""
    made: list[Record] = []
    for seq, step in enumerate(story.steps, start=1):
        at = BEGIN + int(step.at * _SECOND)
        event = stamp(step.body, seq=seq, time=at, mono=at - BEGIN + _SECOND)
        made.append(Record(step.agent, 1, "boot", step.agent, seq, at + _SECOND // 10, event))
    return made


def arrivals(story: Story) -> list[Arrival]:
    """Return the statements that come before the story's events."""
    return [msgspec.structs.replace(one, received=BEGIN + one.received) for one in story.arrivals]


def see(engine: Engine, record: Record) -> list[Alert]:
    """Show an event as a batch of its own; return the alerts."""
    origin = Origin(record.agent, record.epoch, record.boot, record.host, record.index, record.received)
    return engine.step(origin, [record.event], record.received)[1]


def tell(engine: Engine, story: Story) -> None:
    """Let the engine be where the operator told what the story says."""
    if story.organisation is not None:
        engine.learn(Known(story.organisation))


def play(story: Story, engine: Engine) -> list[Alert]:
    """Return all alerts that a story gives, to its end."""
    alerts: list[Alert] = []
    tell(engine, story)
    for one in arrivals(story):
        alerts += engine.arrived([one], one.received)
    for record in records(story):
        alerts += engine.tick(record.received)
        alerts += see(engine, record)
    if story.until is not None:
        alerts += engine.tick(BEGIN + int(story.until * _SECOND))
    return alerts


def broken_example(rule: Rule, fresh: Callable[[], Engine]) -> str | None:
    """Return which example a rule does not keep; None where it keeps all. fresh makes an engine with it."""
    stories = [(story, True) for story in rule.hits] + [(story, False) for story in rule.misses]
    for story, wanted in stories:
        alerts = play(story, fresh())
        failed = [alert.summary for alert in alerts if alert.rule == FAULT.id]
        if failed:
            return f"example {story.why!r}: {failed[0]}"
        if any(alert.rule == rule.id for alert in alerts) is not wanted:
            return f"example {story.why!r} is " + ("not found" if wanted else "found, and must not be")
    return None
