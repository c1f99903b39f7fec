"""A Sigma correlation's number and span: described, set for all or some, and tried on what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from collector.analysis import Analysis, site
from collector.rule import BEGIN, Site, Step, Story
from collector.rules import parameters
from collector.rules.rulebook import SET, Book, Scope
from collector.settings import Detection
from collector.sigma import replayed
from collector.sigma.document import Correlation, Counted, Threshold
from collector.sigma.finding import described
from collector.sigma.tuned import in_force
from collector.tuning import tune
from collector.tuning.tuning import Wanted
from evidence.kinds.collector import Act
from evidence.kinds.login import Accepted
from tests.collector.rules.test_rules import SITE
from tests.collector.sigma.loaded import every_rule
from tests.collector.sigma.test_sigma_engine import run, see
from tests.collector.tuning.test_tune import DAY, SECOND, lake

SHELLS = "bbbbbbbb-0000-4000-8000-000000000001"
"""At least three shells of one user within a minute."""
SPAN = ("seconds", "integer", 60, "seconds")


def correlation(measure: Counted, number: int, field: str | None = None) -> Correlation:
    threshold = Threshold("gte", number, field)
    return Correlation("c", "t", "high", measure, ("a",), 60 * SECOND, threshold)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (correlation("event_count", 5000), [("threshold", "integer", 5, "matches"), SPAN]),
        (correlation("value_count", 3000, "User"), [("threshold", "integer", 3, "values of User"), SPAN]),
        (correlation("value_sum", 2500, "bytes"), [("threshold", "number", 2.5, "amount of bytes"), SPAN]),
        (correlation("temporal", 1000), [SPAN]),
    ],
    ids=lambda one: one.measure if isinstance(one, Correlation) else "",
)
def test_what_can_be_set_is_described(rule: Correlation, wanted: list[tuple[object, ...]]) -> None:
    listed = parameters.catalogue([described(rule)])
    assert [(one.name, one.type, one.default, one.unit) for one in listed] == wanted
    assert all(one.least is not None and one.most is not None and one.why for one in listed)


def test_what_is_set_takes_the_place_of_the_files_and_nothing_set_changes_nothing() -> None:
    rule = correlation("value_sum", 2500, "bytes")
    known = site(Detection()).known
    assert in_force(rule, Site({"other": {"threshold": 9}}, known)) is rule
    made = in_force(rule, Site({"c": {"threshold": 7.25}}, known))
    assert (made.threshold.number, made.span) == (7250, rule.span)
    assert in_force(rule, Site({"c": {"seconds": 5}}, known)).span == 5 * SECOND


def set_to(engine: Analysis, name: str, value: float, **scope: str) -> None:
    detail = {"id": "s1", "name": name, "value": msgspec.json.encode(value).decode(), **scope}
    see(engine, Act(user="ann", verb=SET, object=SHELLS, detail=detail, reason="why"), 0)


def shells(engine: Analysis, *at: float) -> list[bool]:
    return [
        any(alert.rule == SHELLS for alert in see(engine, run("/bin/bash"), 100 + one, seq))
        for seq, one in enumerate(at, start=1000)
    ]


@pytest.mark.parametrize(("gap", "found"), [(60.0, True), (60.001, False)])
def test_a_lower_number_tells_of_what_just_fits_into_the_span(gap: float, found: bool) -> None:
    engine = Analysis(Detection(), sigma=every_rule())
    set_to(engine, "threshold", 2)
    assert shells(engine, 0, gap) == [False, found]


@pytest.mark.parametrize(("gap", "found"), [(10.0, True), (10.001, False)])
def test_a_shorter_span_cuts_exactly(gap: float, found: bool) -> None:
    engine = Analysis(Detection(), sigma=every_rule())
    set_to(engine, "seconds", 10)
    assert shells(engine, 0, gap / 2, gap) == [False, False, found]


@pytest.mark.parametrize(("person", "found"), [("bob", True), ("eve", False)])
def test_a_number_set_for_a_person_holds_for_them_alone(person: str, found: bool) -> None:
    engine = Analysis(Detection(), sigma=every_rule())
    see(engine, Accepted(program="sshd", user="bob", session=3, auid=1000), 1)
    set_to(engine, "threshold", 2, person=person)
    assert shells(engine, 0, 30) == [False, found]


def steps(*at: float) -> tuple[Step, ...]:
    return tuple(Step(one, run("/bin/bash")) for one in at)


def tried(folder: Path, seconds: Sequence[float], wanted: Wanted) -> tuple[list[bool], bool]:
    """Return for each value whether it tells of shells at these times, and whether the stream did."""
    shown, told = lake(folder, Story("shells", steps(*seconds)), every_rule())
    task = tune.Task(
        wanted,
        str(shown),
        0,
        BEGIN - DAY,
        BEGIN + DAY,
        SITE.parameters,
        Book(),
        site(SITE).known.organisation,
        tune.Limits(60.0, 1 << 30),
        sigma=replayed.only(every_rule(), SHELLS),
    )
    answer = tune.run(task, folder / "lock")
    assert answer.events == len(seconds)
    return [bool(one.told) for one in answer.outcomes], any(alert.rule == SHELLS for alert in told)


def test_a_number_is_tried_on_what_is_stored_as_the_stream_would_judge_it(tmp_path: Path) -> None:
    found, streamed = tried(tmp_path, (0, 40, 60), Wanted(SHELLS, "threshold", (2, 3, 4)))
    assert found == [True, True, False]
    assert streamed is True


def test_a_span_is_tried_and_a_scope_that_fits_nobody_changes_nothing(tmp_path: Path) -> None:
    wanted = Wanted(SHELLS, "seconds", (59, 61))
    assert tried(tmp_path / "all", (0, 40, 60.5), wanted) == ([False, True], False)
    for_nobody = msgspec.structs.replace(wanted, scope=Scope(person="nobody"))
    assert tried(tmp_path / "nobody", (0, 40, 60.5), for_nobody) == ([False, False], False)
