"""What a scenario's alerts are worth: found, by whom, how soon, and whose alert it is."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from range.scenario import Person, Scenario, Step, Truth
from range.score import Played, Seen, judge, of_twin, reached

PLAYED = Played(1000.0, 1010.0)
TRUTH = Truth("alice", ("app",), ("upload",), 1000, "203.0.113.9")
SCENARIO = Scenario(
    number=1,
    title="an upload",
    people=(Person("alice", ("app",)), Person("amy", ("app",))),
    steps=(Step("alice", "true"),),
    twin=lambda _draw: (Step("amy", "true"), Step(None, "true", host="db")),
    truth=TRUTH,
    twin_title="none",
)
CAST = frozenset({"alice", "amy", "bob"})


def seen(at: float = 1012.0, happened: float = 1009.0, **fields: Any) -> Seen:
    time = dt.datetime.fromtimestamp(happened, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    alert = {"rule": "upload", "severity": "high", "host": "app", "time": time, "person": "alice"}
    return Seen(alert | fields, at)


def test_the_first_alert_about_the_right_person_counts_and_any_of_them_may_have_the_bytes() -> None:
    early = seen(at=1011.5, bytes_out=10, destination="203.0.113.9")
    late = seen(at=1013.0, bytes_out=1040, destination="203.0.113.9")
    verdict = judge(TRUTH, PLAYED, [seen(at=1001, rule="other"), early, late], CAST)
    assert verdict.seconds == pytest.approx(1.5)
    assert verdict.person_right
    assert verdict.bytes_right
    assert verdict.alert == late.alert


@pytest.mark.parametrize(
    ("bytes_out", "destination", "right"),
    [
        (1050, "203.0.113.9", True),
        (1051, "203.0.113.9", False),
        (949, "203.0.113.9", False),
        (1000, "203.0.113.10", False),
        (None, "203.0.113.9", False),
    ],
)
def test_bytes_are_right_within_the_tolerance(bytes_out: int | None, destination: str, right: bool) -> None:
    verdict = judge(TRUTH, PLAYED, [seen(bytes_out=bytes_out, destination=destination)], CAST)
    assert verdict.bytes_right is right


def test_without_bytes_in_the_truth_none_are_judged() -> None:
    truth = dataclasses.replace(TRUTH, bytes_out=None)
    assert judge(truth, PLAYED, [seen()], CAST).bytes_right is None


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"person": None}, True),
        ({"person": "root"}, True),
        ({"person": "bob"}, False),
        ({"person": None, "host": "db"}, False),
        ({"person": None, "happened": 1011.0}, False),
        ({"person": None, "happened": 999.0}, False),
        ({"person": None, "rule": "other"}, False),
    ],
)
def test_an_alert_with_the_wrong_person_counts_only_there_and_then(
    fields: dict[str, Any], found: bool
) -> None:
    verdict = judge(TRUTH, PLAYED, [seen(**fields)], CAST)
    assert (verdict.alert is not None) is found
    assert not verdict.person_right


def test_nothing_found_is_said_so() -> None:
    assert judge(TRUTH, PLAYED, [], CAST) == judge(TRUTH, PLAYED, [seen(rule="other")], CAST)
    assert judge(TRUTH, PLAYED, [], CAST).seconds is None


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"person": "amy"}, 1),
        ({"person": "amy", "happened": 2000.0}, 1),
        ({"person": "amy", "rule": "other", "severity": "medium"}, 1),
        ({"person": "amy", "severity": "low"}, 0),
        ({"person": "alice"}, 0),
        ({"person": "bob"}, 0),
        ({"person": None}, 1),
        ({"person": "root", "host": "db"}, 1),
        ({"person": None, "host": "bastion"}, 0),
        ({"person": None, "happened": 2000.0}, 0),
    ],
)
def test_a_twin_is_charged_with_its_peoples_alerts_and_with_nobodys(
    fields: dict[str, Any], count: int
) -> None:
    assert len(of_twin(SCENARIO, [PLAYED], [seen(**fields)], CAST)) == count


@pytest.mark.parametrize(
    ("fields", "right"),
    [({}, True), ({"user": "root"}, False), ({"host": "app"}, False), ({"how": "kernel"}, False)],
)
def test_a_session_at_the_end_of_hops_is_right_when_known_by_its_hop(
    fields: dict[str, Any], right: bool
) -> None:
    truth = dataclasses.replace(TRUTH, reached=(("db", "deploy"),))
    session = {"host": "db", "user": "deploy", "how": "hop"} | fields
    assert reached(truth, [session]) is right
    assert reached(TRUTH, [session]) is None
