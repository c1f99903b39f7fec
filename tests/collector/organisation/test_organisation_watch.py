"""The operator's files change while the pipeline runs: over a real ledger, with the real engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.analysis import Analysis
from collector.lake import snapshot
from collector.lake.decode import Reading
from collector.lake.local_shelf import LocalShelf
from collector.ledger import segment
from collector.ledger.reader import LedgerReader
from collector.organisation.watch import USER, VERB, OrganisationWatch, reader
from collector.pipeline.pipeline import Pipeline
from collector.settings import OrganisationFiles, Settings
from collector.settings import Pipeline as PipelineSettings
from evidence import entry
from evidence.entry import EntryType
from evidence.event import stamp
from evidence.kind import Body
from evidence.kinds.collector import Act
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec
from tests.collector.station import Station

PATIENCE = 20.0


class Play:
    """A host, a ledger, and a pipeline that follows it and the operator's files, turn by turn."""

    def __init__(self, root: Path) -> None:
        self.told = root / "organisation.d"
        self.told.mkdir()
        self.station = Station(root / "state", Settings(organisation=OrganisationFiles(folder=self.told)))
        self.keeper = self.station.keeper()
        self.host = self.station.enrol(self.keeper, root)
        self.is_served = True
        self.events = 0
        self.start()

    def start(self) -> None:
        settings, places = self.station.settings, self.station.paths
        self.watch = OrganisationWatch(settings, self._record, look_seconds=0)
        self.pipeline = Pipeline(
            LedgerReader(places.ledger),
            places.lake / "000001",
            places.snapshot,
            lambda: Analysis(settings.detection, self.watch.known),
            PipelineSettings(commit_seconds=0.001),
            operator=self.watch,
            open_shelf=LocalShelf,
        )

    def restart(self) -> None:
        self.pipeline.flush()
        self.pipeline.close()
        self.start()

    def _record(self, act: Act) -> object:
        if not self.is_served:
            raise ConnectionRefusedError("nobody serves there")
        return self.keeper.record(act)

    def send(self, *bodies: Body) -> None:
        """Have the host send events, and store them."""
        events = [
            stamp(body, seq=self.events + at, time=(self.events + at) * 10**9, mono=at)
            for at, body in enumerate(bodies, start=1)
        ]
        self.events += len(bodies)
        batch = self.host.batch(events)
        raw = entry.encode(EntryType.BATCH, batch.envelope)
        self.keeper.ledger.append([segment.row(raw, time.time_ns(), batch.data)])
        self.until(lambda: self.pipeline.position == self.keeper.ledger.size)
        self.pipeline.flush()

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end
            self.pipeline.turn(0.01)

    def people(self) -> list[str]:
        return sorted(human.name for human in self.watch.known.organisation.people)

    def persons(self) -> list[tuple[object, ...]]:
        """Return command and person of each exec, in their order."""
        sql = "SELECT exe, person, session FROM events WHERE kind = 'process.exec' ORDER BY seq"
        return snapshot.connect(snapshot.read(self.station.paths.snapshot)).execute(sql).fetchall()

    def acts(self) -> list[Act]:
        reader = LedgerReader(self.station.paths.ledger)
        items = [item for item in reader.items(0, 100) if item.type is EntryType.ACT]
        reader.close()
        found = [Reading(item) for item in items]
        acts = [event.body for reading in found for part in reading.parts() for event in part]
        return [act for act in acts if isinstance(act, Act) and act.verb == VERB]


def opened(session: int, user: str) -> SessionOpen:
    return SessionOpen(program="sshd", user=user, pid=session, session=session, auid=1000)


def ran(exe: str, session: int) -> Exec:
    return Exec(pid=90, exe=exe, argv=(exe,), uid=1000, auid=1000, session=session)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    made = Play(tmp_path)
    yield made
    made.pipeline.close()
    made.keeper.close()


def test_what_is_told_anew_holds_for_what_comes_after_and_nothing_is_forgotten(play: Play) -> None:
    play.send(opened(1, "al"), ran("/bin/before", 1))
    (play.told / "people.csv").write_text("name,accounts\nAlice Adams,al\n")
    play.until(lambda: play.people() == ["Alice Adams"])
    play.send(ran("/bin/same", 1), opened(2, "al"), ran("/bin/after", 2))
    assert play.persons() == [
        ("/bin/before", "al", 1),
        ("/bin/same", "al", 1),
        ("/bin/after", "Alice Adams", 2),
    ]


def test_another_process_knows_what_is_in_force(play: Play) -> None:
    known = reader(play.station.settings)
    assert known().person("al") is None
    (play.told / "people.csv").write_text("name,accounts\nAlice Adams,al\n")
    play.until(lambda: known().person("al") == "Alice Adams")
    (play.told / "people.csv").write_text("nonsense\n")
    assert known().person("al") == "Alice Adams"


def test_each_change_is_an_act_with_digests_and_counts(play: Play) -> None:
    assert play.acts() == []
    (play.told / "people.csv").write_text("name,accounts\nalice,al\n")
    (play.told / "more.toml").write_text("service_accounts = ['deploy', 'ci']\n")
    play.until(lambda: play.people() == ["alice"])
    (play.told / "people.csv").write_text("name,accounts\nalice,al\nbob,bob\n")
    play.until(lambda: play.people() == ["alice", "bob"])
    first, second = play.acts()[-2:]
    assert (first.user, first.object) == (USER, str(play.told))
    assert first.detail is not None
    assert second.detail is not None
    assert (first.detail["people"], first.detail["service_accounts"]) == ("1", "2")
    assert second.detail["people"] == "2"
    assert first.detail["sha256"] != second.detail["sha256"]
    assert first.detail["file people.csv"] != second.detail["file people.csv"]
    assert first.detail["file more.toml"] == second.detail["file more.toml"]


def test_what_is_wrong_changes_nothing_and_is_said_once(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    file = play.told / "people.csv"
    file.write_text("name,accounts\nalice,al\n")
    play.until(lambda: play.people() == ["alice"])
    caplog.clear()
    file.write_text("name,accounts\nalice\n")
    play.until(lambda: bool(caplog.records))
    for _ in range(20):
        play.pipeline.turn(0.01)
    assert [record.message for record in caplog.records] == [
        f"{file}:2: 1 cells under 2 headers; quote commas; what was told before stays in force"
    ]
    assert play.people() == ["alice"]
    file.write_text("name,accounts\nbob,bob\n")
    play.until(lambda: play.people() == ["bob"])
    assert len(play.acts()) == 2


def test_over_a_restart_what_was_told_stays_while_the_files_are_wrong(play: Play) -> None:
    file = play.told / "people.csv"
    file.write_text("name,accounts\nalice,al\n")
    play.until(lambda: play.people() == ["alice"])
    file.write_text("nonsense\n")
    play.restart()
    assert play.people() == ["alice"]
    play.send(opened(1, "al"), ran("/bin/a", 1))
    assert play.persons() == [("/bin/a", "alice", 1)]


def test_a_restart_records_only_what_is_another_word(play: Play) -> None:
    file = play.told / "people.csv"
    file.write_text("name,accounts\nalice,al\n")
    play.restart()
    assert len(play.acts()) == 1
    file.write_text("accounts,name\nal,alice\n")
    play.restart()
    assert len(play.acts()) == 1
    file.unlink()
    play.restart()
    assert play.people() == []
    assert len(play.acts()) == 2


def test_what_could_not_be_recorded_is_recorded_later(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    play.is_served = False
    (play.told / "people.csv").write_text("name,accounts\nalice,al\n")
    with caplog.at_level(logging.ERROR):
        play.until(lambda: play.people() == ["alice"] and bool(caplog.records))
    assert "not recorded yet" in caplog.records[0].message
    assert play.acts() == []
    play.is_served = True
    play.until(lambda: len(play.acts()) == 1)
