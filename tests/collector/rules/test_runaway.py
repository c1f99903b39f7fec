"""A Sigma rule that takes too much time for too long is put to rest by one act; a replay agrees."""

from __future__ import annotations

import threading
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
from collector.rules import rulebook, runaway
from collector.rules.budgets import AUTHOR
from collector.rules.costs import RuleCost
from collector.rules.rulebook import Book, Standing
from collector.rules.runaway import PARTS, Watch
from collector.settings import Detection
from collector.settings import Pipeline as PipelineSettings
from evidence import entry
from evidence.entry import EntryType
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds.collector import Act
from evidence.kinds.process import Exec
from tests.collector.sigma.loaded import rules_of
from tests.collector.station import Station

SECOND = 10**9
PART = 60 * SECOND
RULE = "11111111-1111-4111-8111-111111111111"
SLOW = rf"""title: A slow one
id: {RULE}
level: high
logsource: {{product: linux, category: process_creation}}
detection:
    s: {{CommandLine|re: '(a|b|ab)*(c|d)*e.*f.*g$'}}
    condition: s
"""


class Play:
    """A watch over a rule of our own and a Sigma rule; share 25 % for five minutes."""

    def __init__(self) -> None:
        self.now, self.spent = 0, 0
        self.watch = Watch(0.25, 300.0, 0)

    def part(self, share: float, book: Book | None = None, *, parts: int = 1) -> list[Act]:
        """Let so much of some minutes be spent in both; return the last one's acts."""
        acts: list[Act] = []
        for _ in range(parts):
            self.now += PART
            self.spent += int(PART * share)
            told = [
                RuleCost(name, "", sigma=name == RULE, shown=1, findings=0, spent=self.spent)
                for name in (RULE, "upload-new-destination")
            ]
            acts = self.watch.look(self.now, told, book or Book())
        return acts


def standing(state: rulebook.State, at: int) -> Book:
    return Book(standings={RULE: Standing(RULE, state, "ann", "why", at)})


def test_who_is_over_the_share_all_the_while_is_put_to_rest_once_and_none_of_our_own() -> None:
    play = Play()
    assert play.part(0.4, parts=PARTS - 1) == []
    (act,) = play.part(0.4)
    assert (act.user, act.verb, act.object) == (AUTHOR, rulebook.STATE, RULE)
    assert act.reason == "its cost was 40% of the pipeline's time for 300 s or longer, more than 25%"
    assert play.part(0.9, parts=3 * PARTS) == []
    assert rulebook.apply(Book(), act, 5).state(RULE) == "off"


def test_a_detection_of_the_site_is_put_to_rest_as_one_of_sigma_is() -> None:
    watch = Watch(0.25, 300.0, 0)
    for part in range(1, PARTS + 1):
        slow = RuleCost("site-slow", "", sigma=False, shown=1, findings=0, spent=part * PART // 2, site=True)
        acts = watch.look(part * PART, [slow], Book())
    assert [act.object for act in acts] == ["site-slow"]


def test_a_burst_or_a_share_that_is_let_is_no_runaway() -> None:
    play = Play()
    assert play.part(0.25, parts=3 * PARTS) == []
    for _ in range(3):
        assert play.part(0.9, parts=PARTS - 1) == []
        assert play.part(0.1) == []


def test_between_the_ends_of_parts_nothing_is_looked_at() -> None:
    play = Play()
    play.part(0.9, parts=PARTS - 1)
    play.now -= PART // 2
    assert play.part(0.9) == []


def test_who_is_made_live_again_is_measured_anew() -> None:
    play = Play()
    assert len(play.part(0.4, parts=PARTS)) == 1
    assert play.part(0.4, standing("off", 7), parts=2 * PARTS) == []
    assert play.part(0.4, standing("live", 9), parts=PARTS - 1) == []
    (act,) = play.part(0.4, standing("live", 9))
    assert not runaway.is_stale(standing("live", 9), act)
    assert runaway.is_stale(standing("live", 10), act), "a person has decided since"
    assert runaway.is_stale(standing("off", 11), act), "it is at rest already"
    assert not runaway.is_stale(Book(), Act(user="ann", verb=rulebook.STATE, object=RULE))


def test_what_was_spent_before_the_watch_began_does_not_count() -> None:
    play = Play()
    before = RuleCost(RULE, "", sigma=True, shown=1, findings=0, spent=PART)
    play.watch, play.spent = Watch(0.25, 300.0, 0, [before]), PART
    play.part(0.1)
    assert play.part(0.4, parts=PARTS - 1) == []
    assert "40%" in (play.part(0.4)[0].reason or "")


def test_what_could_not_be_recorded_is_asked_for_again() -> None:
    play = Play()
    (act,) = play.part(0.4, parts=PARTS)
    play.watch.forget(act)
    assert len(play.part(0.4)) == 1
    assert play.part(0.4) == []


class Site:
    """A host, a ledger, a pipeline with the slow rule; the first act cannot be recorded."""

    def __init__(self, root: Path) -> None:
        self.station = Station(root / "state")
        self.keeper = self.station.keeper()
        self.host = self.station.enrol(self.keeper, root)
        self.acts: list[Act] = []
        self.seq = 0
        self.writing = threading.Lock()

    def follow(self, folder: Path, readers: Path) -> Pipeline:
        settings = PipelineSettings(commit_seconds=0.001, runaway_share=0.0001, runaway_seconds=0.25)
        ledger = LedgerReader(self.station.paths.ledger)
        rules = rules_of(SLOW)
        return Pipeline(
            ledger,
            folder,
            readers,
            lambda: Analysis(Detection(), sigma=rules),
            settings,
            record=self.record,
            open_shelf=LocalShelf,
        )

    def record(self, act: Act) -> object:
        self.acts.append(act)
        if len(self.acts) == 1:
            raise LedgerError("nobody serves there")
        with self.writing:
            return self.keeper.record(act)

    def send(self, count: int, end: str = "") -> None:
        bodies: list[Body] = [
            Exec(pid=at, exe="/bin/x", argv=("x", str(at), "ab" * 500 + end), uid=0)
            for at in range(self.seq, self.seq + count)
        ]
        first, self.seq = self.seq + 1, self.seq + count
        events = [stamp(one, seq=seq, time=seq * 10**6, mono=seq) for seq, one in enumerate(bodies, first)]
        batch = self.host.batch(events)
        raw = entry.encode(EntryType.BATCH, batch.envelope)
        with self.writing:
            self.keeper.ledger.append([segment.row(raw, time.time_ns(), batch.data)])

    def read(self, pipeline: Pipeline) -> None:
        while pipeline.position < self.keeper.ledger.size:
            pipeline.turn(0.01)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.keeper.close()


def told(readers: Path) -> list[tuple[object, ...]]:
    sql = f"SELECT rule, count(*) FROM alerts WHERE rule IN ('{RULE}', 'rule-rested') GROUP BY ALL ORDER BY 1"  # noqa: S608 - constant
    with snapshot.connect(snapshot.read(readers)) as connection:
        return connection.execute(sql).fetchall()


def test_a_slow_rule_is_put_to_rest_with_an_alert_that_names_it(place: Site, tmp_path: Path) -> None:
    readers = tmp_path / "snapshot.json"
    pipeline = place.follow(tmp_path / "lake" / "000001", readers)
    place.send(1, "cefg")
    end = time.monotonic() + 30
    while snapshot.book(readers).state(RULE) != "off":
        assert time.monotonic() < end
        place.send(20, "gfe")
        pipeline.turn(0.01)
    assert [act.object for act in place.acts] == [RULE, RULE], "one was refused"
    place.send(20, "cefg")
    place.read(pipeline)
    pipeline.flush()
    pipeline.close()
    assert told(readers) == [(RULE, 1), ("rule-rested", 1)], "at rest it finds nothing"
    size = place.keeper.ledger.size
    again = place.follow(tmp_path / "lake" / "000002", tmp_path / "again.json")
    place.read(again)
    again.flush()
    again.close()
    assert told(tmp_path / "again.json") == told(readers)
    assert place.keeper.ledger.size == size
