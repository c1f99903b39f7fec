"""Rules whose findings weigh differently give each its weight in the end, and name the right person."""

from __future__ import annotations

import pytest

from collector.alert import Alert
from collector.analysis import Analysis
from collector.correlations import (
    agent_silent,
    agent_stopped,
    clock_set_back,
    lateral_edge,
    log_shrunk,
    persistence_egress,
    shared_credential,
    suid_planted,
)
from collector.detections import agent_tampering, container_escape, identity_changed, log_wiped
from collector.examples import at_once, opened, run
from collector.organisation.known import Known
from collector.record import Origin
from collector.rule import BEGIN, Correlation, Detection, Story
from collector.settings import Detection as Settings
from evidence.event import stamp

SECOND = 1_000_000_000
EXPECTED: list[tuple[Correlation | Detection, tuple[str, ...]]] = [
    (log_shrunk.CORRELATION, ("high",) * 4 + ("medium", "high", "high", "low")),
    (agent_silent.CORRELATION, ("high", "low", "high", "high", "high", "high")),
    (agent_stopped.CORRELATION, ("medium", "high", "low", "medium", "medium", "medium", "low", "low")),
    (lateral_edge.CORRELATION, ("medium", "informational", "low", "low", "low")),
    (clock_set_back.CORRELATION, ("medium", "medium", "medium", "low")),
    (persistence_egress.CORRELATION, (*["medium"] * 4, "low", "low", "medium")),
    (shared_credential.CORRELATION, ("high", "high", "low", "medium")),
    (suid_planted.CORRELATION, ("high", "high", "medium", "medium", "medium", "medium", "high", "medium")),
    (container_escape.DETECTION, (*["medium"] * 6, *["high"] * 5)),
    (agent_tampering.DETECTION, (*["high"] * 12, "low", "high", "high")),
    (log_wiped.DETECTION, (*["high"] * 8, "low", "low", "high", "low", "high")),
]
CASES = [
    pytest.param(rule, story, severity, id=f"{rule.id}: {story.why}")
    for rule, severities in EXPECTED
    for story, severity in zip(rule.hits, severities, strict=True)
]


def last_word(rule: Correlation | Detection, story: Story) -> Alert:
    engine = Analysis(Settings(known_destinations=("127.0.0.0/8", "192.0.2.0/24")))
    if story.organisation is not None:
        engine.site = type(engine.site)(engine.site.parameters, Known(story.organisation))
        engine.load(engine.dump())
    alerts: list[Alert] = []
    now = BEGIN
    for seq, step in enumerate(story.steps, start=1):
        at = BEGIN + int(step.at * SECOND)
        now = max(now, at)
        alerts += engine.tick(now)
        origin = Origin(step.agent, 1, "boot", step.agent, seq, at)
        alerts += engine.step(origin, [stamp(step.body, seq=seq, time=at, mono=at - BEGIN)], now)[1]
    for later in (0, 40, 80):
        until = BEGIN + int((story.until or 0) * SECOND)
        alerts += engine.tick(max(now, until) + later * SECOND)
    return [alert for alert in alerts if alert.rule == rule.id][-1]


@pytest.mark.parametrize(("rule", "story", "severity"), CASES)
def test_the_last_word_has_its_weight(rule: Correlation | Detection, story: Story, severity: str) -> None:
    assert last_word(rule, story).severity == severity


def test_a_forged_login_identity_names_who_forged_it() -> None:
    story = at_once(
        "forged", opened(), run("id"), *[step.body for step in identity_changed.DETECTION.hits[0].steps]
    )
    person = last_word(identity_changed.DETECTION, story).person
    assert person is not None
    assert (person.name, person.session) == ("alice", 7)
