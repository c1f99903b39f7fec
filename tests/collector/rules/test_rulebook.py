"""Decisions on rules: what holds for whom, who must agree, and that a replay judges by what was in force."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.alert import Alert
from collector.analysis import Analysis
from collector.errors import QueryError
from collector.organisation.known import HostLabel, Human, Known, Organisation
from collector.record import Origin
from collector.rule import BEGIN, Rule, Story
from collector.rule_sources.playing import play
from collector.rules import parameters, rule_folders, rulebook
from collector.rules.rulebook import Book
from collector.settings import Detection as Settings
from evidence.event import stamp
from evidence.kinds.collector import Act

from .test_rules import RULES

KNOWN = Known(
    Organisation(
        people=(Human("Alice", ("alice",), role="dba", groups=("data",)), Human("Bob", ("bob",))),
        hosts=(HostLabel("db*", ("database",)),),
    )
)
RULE, NAME = "upload-new-destination", "bytes"


def setting(value: str, identity: str = "a1", user: str = "ann", **more: str) -> Act:
    detail = {"id": identity, "name": NAME, "value": value, **more}
    return Act(user=user, verb=rulebook.SET, object=RULE, reason="too loud", detail=detail)


def state(value: str, rule: str = RULE, **more: str) -> Act:
    return Act(user="ann", verb=rulebook.STATE, object=rule, reason="why", detail={"state": value, **more})


def decided(*acts: Act) -> Book:
    book = Book()
    for at, act in enumerate(acts):
        book = rulebook.apply(book, act, at)
    return book


def value(book: Book, host: str, person: str | None) -> object:
    of_all = rulebook.for_all(book, {RULE: {NAME: 7}})
    return rulebook.for_whom(book, of_all, KNOWN, host, person)[RULE][NAME]


def test_what_is_nearest_to_the_person_holds_then_what_is_newest() -> None:
    book = decided(
        setting("1", "p", person="Alice"),
        setting("2", "g", group="data"),
        setting("3", "r", role="dba"),
        setting("4", "l", label="database"),
        setting("5", "e"),
    )
    assert value(book, "db1", "Alice") == 1
    assert value(book, "db1", "Bob") == 4
    assert value(book, "web1", "Bob") == value(book, "web1", None) == 5
    assert value(rulebook.apply(book, _ended("p"), 9), "db1", "Alice") == 2
    newer = decided(setting("1", "x"), setting("2", "y"))
    assert [one.id for one in newer.settings.values()] == ["y"]
    assert value(Book(), "db1", "Alice") == 7


def _ended(identity: str) -> Act:
    return Act(user="ann", verb=rulebook.UNSET, object=RULE, reason="done", detail={"id": identity})


@pytest.mark.parametrize(
    "act",
    [
        setting("nonsense"),
        setting("[1]"),
        setting(""),
        Act(user="ann", verb=rulebook.SET, object=RULE),
        Act(user="ann", verb=rulebook.STATE, object=RULE, detail={"state": "sleeping"}),
        Act(user="ann", verb=rulebook.STATE, object=RULE, detail={"state": "live", "budget": "many"}),
        Act(user="ann", verb=rulebook.APPROVE, object="nothing"),
        _ended("nothing"),
        msgspec.structs.replace(setting("1"), allowed=False),
        Act(user="ann", verb="login"),
    ],
)
def test_what_decides_nothing_changes_nothing(act: Act) -> None:
    book = Book()
    assert rulebook.apply(book, act, 1) is book


@given(
    st.dictionaries(
        st.sampled_from(["id", "name", "value", "state", "budget", "person"]), st.text(max_size=9)
    )
)
def test_no_act_breaks_the_book(detail: dict[str, str]) -> None:
    book = Book()
    for verb in (rulebook.SET, rulebook.UNSET, rulebook.STATE, rulebook.APPROVE, rulebook.REJECT):
        book = rulebook.apply(book, Act(user="ann", verb=verb, object=RULE, detail=detail), 1)
    assert msgspec.json.decode(msgspec.json.encode(book), type=Book) == book


def test_what_has_no_room_goes_on_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "SETTINGS_LIMIT", 1)
    monkeypatch.setattr(rulebook, "STANDINGS_LIMIT", 1)
    full = decided(setting("1", "one"), setting("2", "two", person="Alice", proposed="q"), state("off"))
    assert rulebook.apply(full, Act(user="bob", verb=rulebook.APPROVE, object="q"), 9) is full
    assert rulebook.apply(full, state("off", "off-hours"), 9) is full
    assert rulebook.apply(full, state("live"), 9).state(RULE) == "live"


def test_with_four_eyes_another_has_to_approve() -> None:
    book = decided(setting("1", proposed="q"))
    assert (value(book, "db1", "Alice"), list(book.proposals)) == (7, ["q"])
    own = Act(user="ann", verb=rulebook.APPROVE, object="q")
    assert rulebook.apply(book, own, 5) is book
    approved = rulebook.apply(book, msgspec.structs.replace(own, user="bea"), 5)
    assert (value(approved, "db1", "Alice"), approved.proposals) == (1, {})
    assert approved.settings["a1"].author == "ann"
    rejected = rulebook.apply(book, Act(user="ann", verb=rulebook.REJECT, object="q"), 5)
    assert (value(rejected, "db1", "Alice"), rejected.proposals) == (7, {})


def test_every_number_has_a_range_that_holds_its_default() -> None:
    known = parameters.catalogue(rule_folders.tunable())
    assert len({(one.rule, one.name) for one in known}) == len(known) > 90
    for one in known:
        assert parameters.value(one, str(one.default)) == one.default
        assert (one.least is None) == (one.type == "words")
        assert one.why
        assert one.unit


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "1e99", "1.5", "9" * 30])
def test_a_value_of_another_type_or_out_of_range_is_refused(text: str) -> None:
    known = parameters.catalogue(rule_folders.tunable())
    with pytest.raises(QueryError, match="bytes"):
        parameters.value(parameters.find(known, RULE, NAME), text)


def test_what_is_no_parameter_is_said_with_those_there_are() -> None:
    known = parameters.catalogue(rule_folders.tunable())
    with pytest.raises(QueryError, match="it has bytes"):
        parameters.find(known, RULE, "byte")
    with pytest.raises(QueryError, match="no rule"):
        parameters.find(known, "none", "byte")


def hit() -> tuple[Rule, Story]:
    rule = next(rule for rule in RULES if rule.id == RULE)
    return rule, rule.hits[0]


def act_seen(engine: Analysis, act: Act) -> None:
    event = stamp(act, seq=1, time=BEGIN - 1, mono=1)
    engine.step(Origin("collector", 1, "boot", "collector", 0, BEGIN), [event], BEGIN)


def found(engine: Analysis) -> list[Alert]:
    return [alert for alert in play(hit()[1], engine) if alert.rule == RULE]


def person() -> str:
    (first, *_) = found(Analysis(Settings()))
    assert first.person is not None
    return first.person.name


@pytest.mark.parametrize(
    ("act", "is_found"),
    [
        (setting(str(1 << 40)), False),
        (setting(str(1 << 40), person="nobody here"), True),
        (state("off"), False),
        (state("live", budget="5"), True),
    ],
)
def test_a_decision_is_in_force_from_its_entry_on(act: Act, *, is_found: bool) -> None:
    engine = Analysis(Settings())
    act_seen(engine, act)
    restarted = Analysis(Settings())
    restarted.load(engine.dump())
    assert restarted.decided() == engine.decided()
    assert bool(found(engine)) is bool(found(restarted)) is is_found


def test_a_parameter_can_be_set_for_one_person() -> None:
    engine = Analysis(Settings())
    act_seen(engine, setting(str(1 << 40), person=person()))
    assert found(engine) == []
    act_seen(engine, _ended("a1"))
    assert found(engine) != []


def test_a_staged_rule_alerts_nobody_and_adds_no_risk() -> None:
    engine, tried = Analysis(Settings()), Analysis(Settings())
    act_seen(tried, state("staged"))
    told, silent = play(hit()[1], engine), play(hit()[1], tried)
    assert [alert.id for alert in silent if alert.rule == RULE] == [
        one.id for one in told if one.rule == RULE
    ]
    assert all(alert.staged for alert in silent if alert.rule == RULE)
    assert not any(alert.staged for alert in told)
    state_of = msgspec.msgpack.decode(tried.dump())["risk"]
    assert RULE not in str(state_of)
