from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.alert import Alert
from collector.alerts import telling
from collector.alerts.telling import HOUR, QUIET, SLACK, State, identity, passed, tell
from collector.record import Person

SECOND = 1_000_000_000
BEGIN = 1_790_000_000 * SECOND


def found(entity: str, *evidence: str, sent: int | None = None, person: str = "alice") -> Alert:
    return Alert(
        id=identity("r", 1, entity, evidence),
        rule="r",
        version=1,
        severity="high",
        title="t",
        summary="s",
        time=BEGIN,
        detected=0,
        agent="a",
        host="h",
        person=Person(person, "kernel"),
        bytes_out=sent,
        evidence=evidence,
        entity=entity,
    )


def say(state: State, alert: Alert, seconds: float = 0, per_hour: int = 3) -> list[tuple[str, int, int]]:
    made = list(tell(state, alert, BEGIN + int(seconds * SECOND), per_hour))
    return [(one.entity, one.revision, len(one.evidence)) for one in made]


def test_the_first_finding_is_told_at_once_and_the_same_never_again() -> None:
    state = State()
    assert say(state, found("x", "1")) == [("x", 0, 1)]
    assert say(state, found("x", "1"), 1) == []
    assert list(passed(state, BEGIN + HOUR)) == []


def test_a_finding_that_doubled_is_told_at_once_and_another_once_it_is_quiet() -> None:
    state = State()
    say(state, found("x", "1", "2"))
    assert say(state, found("x", "1", "2", "3"), 1) == []
    assert say(state, found("x", "1", "2", "3", "4"), 2) == [("x", 1, 4)]
    assert say(state, found("x", *"12345"), 3) == []
    assert list(passed(state, BEGIN + 3 * SECOND + QUIET)) == []
    told = list(passed(state, BEGIN + 3 * SECOND + QUIET + SLACK))
    assert [(one.revision, len(one.evidence)) for one in told] == [(2, 5)]


def test_bytes_that_doubled_are_told_at_once() -> None:
    state = State()
    say(state, found("x", "1", "2", sent=100))
    assert say(state, found("x", "1", "3", sent=150)) == []
    assert say(state, found("x", "1", "4", sent=200)) == [("x", 1, 2)]


def test_what_went_back_to_what_was_told_is_not_told_again() -> None:
    state = State()
    say(state, found("x", "1", "2"))
    say(state, found("x", "1", "3"), 1)
    say(state, found("x", "1", "2"), 2)
    assert list(passed(state, BEGIN + HOUR)) == []


def test_what_was_quiet_is_told_before_the_next_even_without_a_tick() -> None:
    state = State()
    say(state, found("x", "1", "2"))
    say(state, found("x", "1", "3"), 1)
    assert say(state, found("x", "1", "4"), 40) == [("x", 1, 2)]


def test_a_flood_of_one_rule_person_and_host_is_counted_in_the_last_one() -> None:
    state = State()
    told = [one for n in range(40) for one in tell(state, found(str(n), f"e{n}"), BEGIN + n, 3)]
    assert {one.entity for one in told} == {"0", "1", "2"}
    told += passed(state, BEGIN + QUIET + SLACK + SECOND)
    assert told[-1].details == {"more": "and 37 more within the hour"}
    assert told[-1].evidence == ("e2",)
    assert len({one.id for one in told}) == len(told) < 12
    assert say(state, found("other", "1", person="bob")) == [("other", 0, 1)]
    assert say(state, found("39", "e39"), 3601) == [("39", 0, 1)], "an hour later there is room again"


def test_decisions_are_in_one_order_so_that_a_follower_misses_none() -> None:
    state = State()
    told = [one for n in range(5) for one in tell(state, found(str(n), "1"), BEGIN - n, 9)]
    moments = [one.detected for one in told]
    assert moments == sorted(set(moments))


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOLD_LIMIT", "WAITING_LIMIT", "FLOODS_LIMIT"):
        monkeypatch.setattr(telling, name, 10)
    state = State()
    for n in range(300):
        for evidence in (("1", "2"), ("1", "3")):
            list(tell(state, found(str(n), *evidence, person=f"p{n}"), BEGIN, 3))
    assert max(len(state.told), len(state.waiting), len(state.floods)) <= 11


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=20),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
@settings(max_examples=60)
def test_what_is_told_last_is_the_last_word_also_over_restarts(
    steps: list[tuple[int, int]], ticks: list[bool]
) -> None:
    state, told = State(), {}
    last: dict[str, str] = {}
    now = BEGIN
    for (entity, count), tick in zip(steps, ticks, strict=False):
        alert = found(str(entity), *(f"u{n}" for n in range(count)))
        last[alert.entity] = alert.id
        now += 20 * SECOND
        for one in [*tell(state, alert, now, 100), *(passed(state, now) if tick else ())]:
            told[one.entity] = one.id
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
    told.update((one.entity, one.id) for one in passed(state, now + HOUR))
    assert told == last
