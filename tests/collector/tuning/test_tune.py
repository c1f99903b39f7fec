"""Tuning tells what the stream told: the same rules over the lake find the same, and other values compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from collector.alert import Alert
from collector.analysis import Analysis, site
from collector.errors import QueryError
from collector.lake import snapshot
from collector.lake.local_shelf import LocalShelf
from collector.ledger import segment
from collector.ledger.reader import LedgerItem, LedgerReader
from collector.organisation.known import Known, Organisation
from collector.pipeline.pipeline import Pipeline
from collector.rule import BEGIN, Rule, Story
from collector.rules.rulebook import Book, Scope
from collector.settings import Pipeline as PipelineSettings
from collector.sigma.ruleset import Ruleset
from collector.tuning import forecast, history, tune
from collector.tuning.history import Span
from collector.tuning.tuning import Context, History, Outcome, Wanted, replay
from evidence import entry
from evidence.entry import EntryType
from evidence.event import stamp
from tests.collector.rules.test_rules import RULES, SITE
from tests.collector.station import Host, Station

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
JUDGING = [rule for rule in RULES if rule.kinds]
UPLOAD = next(rule for rule in RULES if rule.id == "upload-new-destination")


class Long(LedgerReader):
    """A ledger that was set up long before the story."""

    def items(self, start_index: int, limit: int) -> Iterator[LedgerItem]:
        for item in super().items(start_index, limit):
            yield item if item.type is EntryType.BATCH else msgspec.structs.replace(item, received=1)


def lake(root: Path, story: Story, sigma: Ruleset | None = None) -> tuple[Path, list[Alert]]:
    """Send a story through a real pipeline; return the snapshot's path and what the stream told."""
    station = Station(root / "state")
    keeper = station.keeper()
    told: list[Alert] = []
    known = Known(story.organisation) if story.organisation is not None else None
    pipeline = Pipeline(
        Long(station.paths.ledger),
        station.paths.lake / "000001",
        station.paths.snapshot,
        lambda: Analysis(SITE, known, sigma=sigma),
        PipelineSettings(commit_seconds=0.001),
        notify=told.extend,
        open_shelf=LocalShelf,
    )
    hosts: dict[str, Host] = {}
    for seq, step in enumerate(story.steps, start=1):
        host = hosts.get(step.agent) or hosts.setdefault(step.agent, station.enrol(keeper, root))
        at = BEGIN + int(step.at * SECOND)
        batch = host.batch([stamp(step.body, seq=seq, time=at, mono=at - BEGIN + SECOND)], sent=at)
        raw = entry.encode(EntryType.BATCH, batch.envelope)
        keeper.ledger.append([segment.row(raw, at + SECOND // 10, batch.data)])
    while pipeline.position < keeper.ledger.size:
        pipeline.turn(0)
    pipeline.flush()
    pipeline.close()
    keeper.close()
    return station.paths.snapshot, told


def tuned(shown: Path, rule: Rule, story: Story, wanted: Wanted) -> list[Outcome]:
    known = Known(story.organisation or site(SITE).known.organisation)
    context = Context(SITE.parameters, Book(), known)
    with snapshot.connect(snapshot.read(shown)) as connection:
        past = history.sessions(connection)
        found = history.entries(
            connection, history.routed(connection, rule, site(SITE, known)), past, Span(0, BEGIN + 4000 * DAY)
        )
        return replay(rule, wanted, context, History(found, past.revisions), 0)


def entities(alerts: Iterable[Alert], rule: Rule) -> set[str]:
    return {alert.entity for alert in alerts if alert.rule == rule.id}


def number(rule: Rule) -> str | None:
    return next((one.name for one in rule.parameters if not isinstance(one.default, str)), None)


@pytest.mark.parametrize("rule", [rule for rule in JUDGING if number(rule)], ids=lambda rule: str(rule.id))
def test_the_present_value_tells_what_the_stream_told(rule: Rule, tmp_path: Path) -> None:
    story = next(one for one in rule.hits if not one.arrivals)
    shown, told = lake(tmp_path, story)
    (parameter,) = (one for one in rule.parameters if one.name == number(rule))
    wanted = Wanted(rule.id, parameter.name, (parameter.default,))
    (outcome,) = tuned(shown, rule, story, wanted)
    assert {one.entity for one in outcome.told} == entities(told, rule)
    if story.until is None:
        assert outcome.told


def test_a_higher_threshold_tells_less_and_only_to_those_it_is_set_for(tmp_path: Path) -> None:
    story = UPLOAD.hits[0]
    shown, told = lake(tmp_path, story)
    person = next(alert.person.name for alert in told if alert.rule == UPLOAD.id and alert.person is not None)
    high = 1 << 40
    plain = tuned(shown, UPLOAD, story, Wanted(UPLOAD.id, "bytes", (1000, high)))
    assert [bool(one.told) for one in plain] == [True, False]
    own = tuned(shown, UPLOAD, story, Wanted(UPLOAD.id, "bytes", (high,), Scope(person=person)))
    other = tuned(shown, UPLOAD, story, Wanted(UPLOAD.id, "bytes", (high,), Scope(person="nobody")))
    assert (bool(own[0].told), bool(other[0].told)) == (False, True)


def test_what_came_before_only_teaches(tmp_path: Path) -> None:
    shown, _ = lake(tmp_path, UPLOAD.hits[0])
    task = tune.Task(
        Wanted(UPLOAD.id, "bytes", (1000, 1 << 40)),
        str(shown),
        0,
        BEGIN - DAY,
        BEGIN + DAY,
        SITE.parameters,
        Book(),
        site(SITE).known.organisation,
        tune.Limits(60.0, 1 << 30),
    )
    answer = tune.run(task, tmp_path / "lock")
    assert [(one.value, bool(one.told)) for one in answer.outcomes] == [(1000, True), (1 << 40, False)]
    assert answer.events > 0
    assert tune.changed(answer, 1000, 1 << 40, {}).count == len(answer.outcomes[0].told)
    later = tune.run(
        msgspec.structs.replace(task, since=BEGIN + DAY, until=BEGIN + 2 * DAY), tmp_path / "lock"
    )
    assert [one.told for one in later.outcomes] == [(), ()]


@pytest.mark.parametrize("events", [1, 2, 3])
def test_portions_of_history_are_the_whole_of_it_in_order(
    events: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, _ = lake(tmp_path, UPLOAD.hits[0])

    def read() -> list[history.Entry]:
        with snapshot.connect(snapshot.read(shown)) as connection:
            past = history.sessions(connection)
            routed = history.routed(connection, UPLOAD, site(SITE))
            return list(history.entries(connection, routed, past, Span(BEGIN - DAY, BEGIN + DAY)))

    whole = read()
    assert sum(bool(entry.records) for entry in whole) > 1
    monkeypatch.setattr(history, "CHUNK_EVENTS", events)
    assert read() == whole


def test_a_lake_that_is_not_there_is_said(tmp_path: Path) -> None:
    task = tune.Task(
        Wanted(UPLOAD.id, "bytes", (1,)),
        str(tmp_path / "none.json"),
        0,
        0,
        1,
        {},
        Book(),
        Organisation(),
        tune.Limits(60.0, 1 << 30),
    )
    with pytest.raises(QueryError, match=r"none\.json"):
        tune.run(task, tmp_path / "lock")


def test_days_are_counted_from_the_beginning_and_the_last_may_be_a_part() -> None:
    assert forecast.days([0, 1, DAY, 2 * DAY + 5], 0, 2 * DAY + 10) == (2, 1, 1)
    assert forecast.days([], 0, DAY) == (0,)


def test_the_interval_holds_the_mean_and_is_wider_for_bursts_and_few_days() -> None:
    steady = forecast.expected(1, [2] * 30)
    bursts = forecast.expected(1, [60, *[0] * 29])
    few = forecast.expected(1, [2] * 5)
    assert steady.low < steady.mean == 2 < steady.high
    assert bursts.high - bursts.low > steady.high - steady.low
    assert few.high - few.low > steady.high - steady.low
    assert forecast.expected(1, [0] * 30).high > 0
    assert forecast.expected(1, [3]).mean == 3


def test_the_nearest_value_that_fits_the_budget_is_recommended() -> None:
    points = [forecast.expected(value, [count] * 10) for value, count in ((1, 9), (5, 4), (9, 1), (20, 0))]
    chosen = forecast.recommended(points, 4, 1)
    assert chosen is not None
    assert chosen.value == 5
    assert forecast.recommended(points, 100, 1) == points[0]
    assert forecast.recommended(points[:2], 1, 1) is None


@pytest.mark.parametrize(
    ("current", "wanted"), [(5_000_000, 20_000_000), (7, None), (0, None), (1, 3), (0.5, 2.0)]
)
def test_the_grid_holds_both_values_within_the_range(current: float, wanted: float | None) -> None:
    values = forecast.grid(current, wanted, 0, 1 << 50)
    assert current in values
    assert wanted is None or wanted in values
    assert values == sorted(set(values), key=float)
    assert 3 <= len(values) <= 11
    assert all(0 <= float(value) <= 1 << 50 for value in values)
