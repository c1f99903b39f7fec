from __future__ import annotations

import pytest

from collector.analysis import site
from collector.correlations import secret_read_then_out
from collector.record import Person, Record
from collector.rule import BEGIN, Rule, Step, Story
from collector.rules.explain import Condition, Explanation, explain
from collector.settings import Detection as Settings
from evidence.event import stamp
from evidence.kinds.connection import Close, Open
from evidence.kinds.file import Read
from evidence.kinds.process import Exec

from .test_rules import RULES, SECOND

ALICE = Person("alice", "kernel", 7)
SECRET = secret_read_then_out.CORRELATION
READ_THEN_OUT = SECRET.hits[0]


def records(story: Story, person: Person | None = ALICE) -> list[Record]:
    made = []
    for seq, step in enumerate(story.steps, start=1):
        at = BEGIN + int(step.at * SECOND)
        event = stamp(step.body, seq=seq, time=at, mono=at - BEGIN + SECOND)
        made.append(Record(step.agent, 1, "boot", step.agent, seq, at, event, person))
    return made


def ask(
    rule: Rule,
    story: Story,
    settings: Settings | None = None,
    person: Person | None = ALICE,
) -> Explanation:
    seen = records(story, person)
    return explain(rule, seen, seen[-1].uid, site(settings or Settings()))


def condition(told: Explanation, text: str) -> Condition:
    return next(one for one in told.conditions if text in one.text)


def test_what_fires_says_how_far_from_its_limits_it_is() -> None:
    told = ask(SECRET, READ_THEN_OUT)
    assert told.fires
    assert told.summary is not None
    assert condition(told, "kind").holds
    window = condition(told, "window")
    assert (window.value, window.limit, window.holds) == ("fires with 30 or more", "1800 seconds", True)
    assert condition(told, "readers").holds is None


def test_what_does_not_fire_names_the_threshold_that_would_turn_it() -> None:
    late = Story("late", (READ_THEN_OUT.steps[0], Step(5000, READ_THEN_OUT.steps[1].body)))
    told = ask(SECRET, late)
    assert not told.fires
    assert told.summary is None
    window = condition(told, "window")
    assert (window.value, window.holds) == ("would fire with 5000 or more", False)


def test_a_known_destination_is_what_decides() -> None:
    told = ask(SECRET, READ_THEN_OUT, Settings(known_destinations=("203.0.113.0/24",)))
    assert not told.fires
    assert condition(told, "other end").holds is False
    assert condition(told, "operator").holds is False
    assert condition(told, "operator").value == "the answer turns without it"


def test_a_listed_program_is_what_decides() -> None:
    told = ask(SECRET, READ_THEN_OUT, Settings(parameters={SECRET.id: {"readers": "cat"}}))
    assert not told.fires
    assert condition(told, "readers").holds is False


def test_an_unknown_person_is_named() -> None:
    told = ask(SECRET, READ_THEN_OUT, person=None)
    assert not told.fires
    assert (condition(told, "person").value, condition(told, "person").holds) == ("nobody", False)


def test_an_event_that_never_reaches_the_rule_says_so() -> None:
    seen = records(Story("exec", (Step(0, Exec(pid=1, exe="/bin/true")),)))
    told = explain(SECRET, seen, seen[0].uid, site(Settings()))
    assert condition(told, "kind") == Condition(
        "the rule looks at events of this kind",
        "process.exec",
        "file.read, connection.open, connection.close",
        holds=False,
    )
    assert {Read, Open, Close} == set(SECRET.kinds)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_every_rule_can_be_asked_about_its_examples(rule: Rule) -> None:
    for story in (*rule.hits, *rule.misses):
        if story.steps:
            told = ask(rule, story)
            assert len(told.conditions) >= 3 + len(rule.parameters)
