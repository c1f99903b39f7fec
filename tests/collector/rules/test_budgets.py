"""A rule that breaks its budget is staged by one act, also when recording fails first; a replay agrees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.analysis import Analysis
from collector.errors import LedgerError
from collector.lake import snapshot
from collector.lake.local_shelf import LocalShelf
from collector.ledger import segment
from collector.ledger.reader import LedgerReader
from collector.pipeline.pipeline import Pipeline
from collector.rules import budgets, rulebook
from collector.rules.budgets import AUTHOR, State
from collector.rules.rulebook import Book, Standing
from collector.settings import Detection
from collector.settings import Pipeline as PipelineSettings
from evidence import entry
from evidence.entry import EntryType
from evidence.event import stamp
from evidence.kinds.collector import Act
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec
from tests.collector.incidents.test_incidents import alert
from tests.collector.station import Station

RULE = "admin-account"
HOUR = 3_600 * 10**9


def live(budget: int | None) -> Book:
    return Book(standings={RULE: Standing(RULE, "live", "ann", "why", 0, budget)})


def counted(book: Book, *times: int) -> State:
    state = State()
    for at in times:
        budgets.count(state, book, alert(RULE, f"e{at}"), at)
    return state


def test_only_what_is_told_first_within_a_day_counts() -> None:
    book = live(2)
    state = counted(book, HOUR, 2 * HOUR, 20 * HOUR)
    (act,) = budgets.broken(state, book, 20 * HOUR)
    assert (act.user, act.object, act.detail) == (AUTHOR, RULE, {"state": "staged", "budget": "2"})
    assert act.reason == "3 alerts within 24 hours, its budget is 2"
    assert budgets.broken(state, book, 26 * HOUR) == []
    staged = rulebook.apply(book, act, 20 * HOUR)
    assert staged.state(RULE) == "staged"
    assert budgets.broken(state, staged, 20 * HOUR) == []


@pytest.mark.parametrize("book", [Book(), live(None)])
def test_a_rule_without_a_budget_breaks_none(book: Book) -> None:
    assert budgets.broken(counted(book, *range(1, 500)), book, 500) == []


class Play:
    """A host, a ledger, a pipeline that may record acts; the first time that fails."""

    def __init__(self, root: Path) -> None:
        self.station = Station(root / "state")
        self.keeper = self.station.keeper()
        self.host = self.station.enrol(self.keeper, root)
        self.refused, self.events = 0, 0
        self.pipeline = self.follow(root / "lake" / "000001", root / "snapshot.json")

    def follow(self, folder: Path, readers: Path) -> Pipeline:
        settings = PipelineSettings(commit_seconds=0.001)
        ledger = LedgerReader(self.station.paths.ledger)
        return Pipeline(
            ledger,
            folder,
            readers,
            lambda: Analysis(Detection()),
            settings,
            record=self.record,
            open_shelf=LocalShelf,
        )

    def record(self, act: Act) -> object:
        if not self.refused:
            self.refused += 1
            raise LedgerError("nobody serves there")
        return self.keeper.record(act)

    def send(self, *bodies: SessionOpen | Exec) -> None:
        first = self.events + 1
        self.events += len(bodies)
        events = [stamp(one, seq=seq, time=seq * 10**9, mono=seq) for seq, one in enumerate(bodies, first)]
        batch = self.host.batch(events)
        raw = entry.encode(EntryType.BATCH, batch.envelope)
        self.keeper.ledger.append([segment.row(raw, time.time_ns(), batch.data)])

    def read(self, pipeline: Pipeline) -> None:
        while pipeline.position < self.keeper.ledger.size:
            pipeline.turn(0.01)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    made = Play(tmp_path)
    yield made
    made.pipeline.close()
    made.keeper.close()


def grants(first: int, count: int) -> list[Exec]:
    return [
        Exec(
            pid=90 + at,
            exe="/usr/sbin/usermod",
            argv=("usermod", "-aG", "sudo", f"u{at}"),
            uid=0,
            auid=1000,
            session=1,
        )
        for at in range(first, first + count)
    ]


def rows(readers: Path) -> list[tuple[object, ...]]:
    sql = "SELECT rule, staged, count(DISTINCT entity) FROM alerts WHERE rule <> 'person-risk' GROUP BY ALL"
    with snapshot.connect(snapshot.read(readers)) as connection:
        return sorted(connection.execute(sql).fetchall())


def test_it_is_staged_once_and_a_replay_agrees(play: Play, tmp_path: Path) -> None:
    decided = Act(user="ann", verb=rulebook.STATE, object=RULE, detail={"state": "live", "budget": "3"})
    play.keeper.record(decided)
    play.send(SessionOpen(program="sshd", user="al", pid=1, session=1, auid=1000), *grants(0, 5))
    play.read(play.pipeline)
    end = time.monotonic() + 20
    while snapshot.book(tmp_path / "snapshot.json").state(RULE) != "staged":
        assert time.monotonic() < end
        play.pipeline.turn(0.01)
    play.send(*grants(5, 2))
    play.read(play.pipeline)
    play.pipeline.flush()
    expected = [(RULE, False, 5), (RULE, True, 2), ("rule-staged", False, 1)]
    assert rows(tmp_path / "snapshot.json") == expected
    size = play.keeper.ledger.size
    again = play.follow(tmp_path / "lake" / "000002", tmp_path / "again.json")
    play.read(again)
    again.flush()
    again.close()
    assert rows(tmp_path / "again.json") == expected
    assert play.keeper.ledger.size == size
