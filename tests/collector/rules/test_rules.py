"""Every rule finds its hits and passes over its misses, through attribution, as in the pipeline."""

from __future__ import annotations

import msgspec
import pytest

from collector.alert import Alert
from collector.analysis import Analysis
from collector.correlations import upload_new_destination
from collector.detections import access_granted
from collector.record import Record
from collector.rule import BEGIN, Finding, Rule, Site, Step, Story
from collector.rule_sources.playing import arrivals, play, records, see, tell
from collector.rules import rule_folders
from collector.settings import Detection as Settings
from evidence.kind import Endpoint
from evidence.kinds.login import Accepted, SessionOpen

SECOND = 1_000_000_000
RULES = rule_folders.judging()
SITE = Settings(known_destinations=("127.0.0.0/8", "192.0.2.0/24"))


def at_site(story: Story) -> Analysis:
    """Return the engine as it is where the operator told what the story says."""
    engine = Analysis(SITE)
    tell(engine, story)
    return engine


HITS = [pytest.param(rule, story, id=f"{rule.id}: {story.why}") for rule in RULES for story in rule.hits]
MISSES = [pytest.param(rule, story, id=f"{rule.id}: {story.why}") for rule in RULES for story in rule.misses]


@pytest.mark.parametrize(("rule", "story"), HITS)
def test_hit(rule: Rule, story: Story) -> None:
    alerts = [alert for alert in play(story, Analysis(SITE)) if alert.rule == rule.id]
    assert len({alert.entity for alert in alerts}) == 1
    assert [alert.revision for alert in alerts] == list(range(len(alerts)))
    assert all(alert.evidence for alert in alerts)


@pytest.mark.parametrize(("rule", "story"), MISSES)
def test_miss(rule: Rule, story: Story) -> None:
    assert [alert for alert in play(story, Analysis(SITE)) if alert.rule == rule.id] == []


@pytest.mark.parametrize(("rule", "story"), HITS)
def test_state_survives_a_restart_after_each_event(rule: Rule, story: Story) -> None:
    alerts: list[Alert] = []
    engine = at_site(story)
    for one in arrivals(story):
        alerts += engine.arrived([one], one.received)
        stored = engine.dump()
        engine = at_site(story)
        engine.load(stored)
    for record in records(story):
        alerts += see(engine, record)
        stored = engine.dump()
        engine = at_site(story)
        engine.load(stored)
    if story.until is not None:
        alerts += engine.tick(BEGIN + int(story.until * SECOND))
    undisturbed = {alert.id for alert in play(story, Analysis(SITE))}
    assert {alert.id for alert in alerts if alert.rule == rule.id} <= undisturbed
    assert any(alert.rule == rule.id for alert in alerts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_rule_is_complete(rule: Rule) -> None:
    assert rule.hits
    assert rule.misses
    assert rule.attack
    assert all(parameter.why and parameter.unit for parameter in rule.parameters)


def test_rule_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_a_rule_that_fails_is_told_and_blinds_no_other() -> None:
    def fails(_record: Record, _site: Site) -> Finding:
        raise ValueError("no")

    engine = Analysis(SITE)
    broken = msgspec.structs.replace(access_granted.DETECTION, id="broken", find=fails)
    story = access_granted.DETECTION.hits[0]
    kind = type(story.steps[0].body)
    asked = (broken, fails)
    engine._by_kind[kind] = (asked, *engine._by_kind[kind])  # noqa: SLF001 - no rule of ours fails
    assert [alert.rule for alert in play(story, engine)] == ["rule-fault", "access-granted"]
    assert play(story, engine) == [], "once for each host and kind of error"


def test_a_person_whose_name_is_learnt_during_the_session_is_judged_on() -> None:
    opened = Step(0, SessionOpen(program="sshd", user="alice", pid=70, auid=1000, session=7))
    hit = upload_new_destination.CORRELATION.hits[0]
    accepted = Step(
        3,
        Accepted(
            program="sshd", user="alice", pid=70, fingerprint="SHA256:k", source=Endpoint(ip="10.9.9.9")
        ),
    )
    story = Story("named late", (opened, *hit.steps[:1], accepted, *hit.steps[1:]))
    engine = Analysis(Settings(people={"Alice Adams": ("SHA256:k",)}, known_destinations=()))
    found = [alert.person for alert in play(story, engine) if alert.rule == "upload-new-destination"]
    assert [person.name for person in found if person] == ["Alice Adams"]
