"""Where commits are put: the same in this process and in another one, whose end is no full disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from collector.errors import StoreError, StoreGone
from collector.lake import columns, extract, snapshot
from collector.lake.local_shelf import LocalShelf
from collector.lake.shelf import Commit, Shelf
from collector.lake.shelf_process import ShelfProcess
from collector.pipeline.pipeline import Pipeline
from collector.rules.rulebook import Book
from evidence.entry import EntryType

from .workbench import Bench, UidEngine, some_bodies

Open = Callable[[Path, Path], Shelf]
BOTH = pytest.mark.parametrize("open_shelf", [LocalShelf, ShelfProcess])


def commit(position: int, *seqs: int, body: bytes = b'{"kind":"k"}') -> Commit:
    """Return a commit of events with an alert, each event a text of its own."""
    events = pa.Table.from_pylist([{"agent": "a", "seq": seq, "time": seq} for seq in seqs], extract.TOLD)
    alerts = pa.Table.from_pylist([{"id": f"alert-{position}"}], columns.schema("alerts"))
    texts = [b'{"seq":%d,"time":1,"mono":1,"body":%b}\n' % (seq, body) for seq in seqs]
    return Commit({"events": events, "alerts": alerts}, position, texts)


def seen(readers: Path) -> list[tuple[int, str]]:
    connection = snapshot.connect(snapshot.read(readers))
    return connection.execute("SELECT seq, body FROM events ORDER BY seq").fetchall()


@BOTH
def test_what_was_stored_is_there_and_shown(tmp_path: Path, open_shelf: Open) -> None:
    folder, readers = tmp_path / "lake" / "000001", tmp_path / "snapshot.json"
    shelf = open_shelf(folder, readers)
    assert shelf.position() == 0
    shelf.commit(commit(4, *range(700)))
    shelf.commit(commit(5))
    assert shelf.stored_alerts(["alert-4", "alert-5", "alert-6"]) == {("alert-4", 0), ("alert-5", 0)}
    shelf.publish(Book(), 7)
    assert (snapshot.read(readers).position, snapshot.read(readers).time) == (5, 7)
    assert seen(readers) == [(seq, '{"kind":"k"}') for seq in range(700)]
    shelf.close()
    again = open_shelf(folder, readers)
    assert again.position() == 5
    again.close()


@BOTH
def test_small_files_are_merged_while_more_is_stored(tmp_path: Path, open_shelf: Open) -> None:
    readers = tmp_path / "snapshot.json"
    shelf = open_shelf(tmp_path / "lake" / "000001", readers)
    for at in range(4):
        shelf.commit(commit(at, at))
    shelf.publish(Book(), 1, 4)
    many = len(snapshot.read(readers).tables["events"])
    shelf.tend(1)
    shelf.publish(Book(), 2, 4)
    assert len(snapshot.read(readers).tables["events"]) < many
    assert [seq for seq, _ in seen(readers)] == [0, 1, 2, 3]
    shelf.close()


@BOTH
def test_a_body_of_megabytes_comes_whole(tmp_path: Path, open_shelf: Open) -> None:
    readers = tmp_path / "snapshot.json"
    shelf = open_shelf(tmp_path / "lake" / "000001", readers)
    body = b'{"kind":"k","text":"%b"}' % (b"x" * 3_000_000)
    shelf.commit(commit(1, 1, 2, body=body))
    shelf.publish(Book(), 1)
    assert [len(text) for _, text in seen(readers)] == [len(body)] * 2
    shelf.close()


@BOTH
def test_a_lake_that_cannot_be_opened_says_why(tmp_path: Path, open_shelf: Open) -> None:
    folder, readers = tmp_path / "lake" / "000001", tmp_path / "snapshot.json"
    shelf = open_shelf(folder, readers)
    shelf.commit(commit(1, 1))
    shelf.close()
    for file in (folder / "data" / "main" / "events").iterdir():
        file.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="4 bytes, the catalog says"):
        open_shelf(folder, readers)


def child(shelf: ShelfProcess) -> int:
    return shelf._process  # noqa: SLF001 - the test ends it as a fault would


def test_a_storing_process_that_was_killed_is_gone_and_not_asked_again(tmp_path: Path) -> None:
    shelf = ShelfProcess(tmp_path / "lake" / "000001", tmp_path / "snapshot.json")
    shelf.commit(commit(3, 1))
    os.kill(child(shelf), signal.SIGKILL)
    with pytest.raises(StoreGone, match="has ended"):
        shelf.commit(commit(4, 2))
    with pytest.raises(StoreGone):
        shelf.tend(1)
    shelf.close()


def test_a_signal_to_stop_leaves_the_storing_process_to_its_parent(tmp_path: Path) -> None:
    shelf = ShelfProcess(tmp_path / "lake" / "000001", tmp_path / "snapshot.json")
    os.kill(child(shelf), signal.SIGTERM)
    shelf.commit(commit(3, 1))
    assert shelf.position() == 3
    shelf.close()


def test_a_pipeline_ends_at_once_when_what_stores_is_gone_and_another_resumes(bench: Bench) -> None:
    def opened(folder: Path, readers: Path) -> ShelfProcess:
        shelves.append(ShelfProcess(folder, readers))
        return shelves[-1]

    shelves: list[ShelfProcess] = []
    places = (bench.folder / "lake" / "000001", bench.folder / "snapshot.json")
    bench.ledger.batch("a" * 32, some_bodies(5))
    pipeline = Pipeline(bench.ledger, *places, UidEngine, bench.settings, open_shelf=opened)
    pipeline.turn(0)
    pipeline.flush()
    os.kill(child(shelves[0]), signal.SIGKILL)
    bench.ledger.batch("a" * 32, some_bodies(5), kind=EntryType.BATCH)
    pipeline.turn(0)
    with pytest.raises(StoreGone):
        pipeline.flush()
    pipeline.close()
    bench.run()
    assert bench.rows("events", "count(*), count(DISTINCT seq)") == [(10, 10)]
