"""The lake: rows and position together or not at all, through faults at each step, merges and restarts."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from collector.errors import StoreError
from collector.lake import columns, extract, snapshot
from collector.lake.lake import Lake
from collector.lake.shelf import Commit


def rows(*seqs: int) -> pa.Table:
    listed = [{"agent": f"{seq % 3:032x}", "seq": seq, "time": seq} for seq in seqs]
    return pa.Table.from_pylist(listed, extract.TOLD)


def text(*seqs: int) -> bytes:
    return b"".join(b'{"seq":%d,"time":1,"mono":1,"body":{"kind":"k"}}\n' % seq for seq in seqs)


def alerts(*ids: str) -> pa.Table:
    return pa.Table.from_pylist([{"id": item} for item in ids], columns.schema("alerts"))


def commit(lake: Lake, position: int, *seqs: int) -> None:
    lake.commit(Commit({"events": rows(*seqs)}, position, [text(*seqs)]))


def seen(lake: Lake) -> list[int]:
    connection = snapshot.connect(lake.snapshot(0, 0))
    return [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq").fetchall()]


def test_rows_and_position_are_there_after_a_restart(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.position() == 0
    commit(lake, 5, 1, 2, 3)
    commit(lake, 6)
    lake.close()
    again = Lake(tmp_path)
    assert (again.position(), seen(again)) == (6, [1, 2, 3])
    again.close()


def test_every_column_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    values = {"VARCHAR": "é\x00\\", "BIGINT": -(1 << 63), "BOOLEAN": True, "VARCHAR[]": ["a", ""]}
    lake = Lake(tmp_path)
    names: tuple[columns.TableName, ...] = ("alerts", "batches")
    for name in names:
        full = {column.name: values[column.type] for column in columns.TABLES[name]}
        lake.commit(Commit({name: pa.Table.from_pylist([full, {}], columns.schema(name))}, 1))
        lake.merge()
        readers = snapshot.connect(lake.snapshot(0, 0))
        view = readers.execute(f"SELECT * FROM {name} ORDER BY agent").fetchall()  # noqa: S608 - ours
        assert view == [tuple(full.values()), (None,) * len(full)]
    lake.close()


class FailingConnection:
    """A connection that fails at one statement, as a full disk or a broken catalog does."""

    def __init__(self, real: duckdb.DuckDBPyConnection, fails: Callable[[str], bool]) -> None:
        self._real, self._fails = real, fails

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        if self._fails(query):
            raise duckdb.IOException("No space left on device")
        return self._real.execute(query, parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@pytest.mark.parametrize("step", ["BEGIN", "INSERT INTO lake.events", "INSERT INTO lake.position", "COMMIT"])
def test_a_fault_at_any_step_stores_nothing_and_the_next_try_stores_all(tmp_path: Path, step: str) -> None:
    lake = Lake(tmp_path)
    commit(lake, 1, 1)
    real = lake._connection  # noqa: SLF001 - the fault is put where the disk would be
    lake._connection = FailingConnection(real, lambda query: query.startswith(step))  # type: ignore[assignment] # noqa: SLF001
    with pytest.raises(StoreError, match="No space left"):
        commit(lake, 2, 2)
    lake._connection = real  # noqa: SLF001
    assert (lake.position(), seen(lake)) == (1, [1])
    commit(lake, 2, 2)
    assert (lake.position(), seen(lake)) == (2, [1, 2])
    lake.close()


def test_rows_whose_files_cannot_be_synced_are_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)

    def refuse(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("collector.lake.lake.os.fsync", refuse)
        with pytest.raises(StoreError, match="Input/output"):
            commit(lake, 1, 1)
    assert (lake.position(), seen(lake)) == (0, [])
    commit(lake, 1, 1)
    assert seen(lake) == [1]
    lake.close()


def test_merging_keeps_rows_and_readers_of_the_former_snapshot(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for position in range(1, 7):
        commit(lake, position, position)
    before = lake.snapshot(6, 0)
    lake.merge()
    lake.clean(600)
    after = lake.snapshot(6, 0)
    assert (len(before.tables["events"]), len(after.tables["events"])) == (6, 1)
    for image in (before, after):
        found = snapshot.connect(image).execute("SELECT count(*), sum(seq) FROM events").fetchone()
        assert found == (6, 21)
    lake.clean(0)
    assert [path.exists() for path in snapshot.files(after)] == [True]
    assert not any(path.exists() for path in snapshot.files(before))
    assert (lake.position(), seen(lake)) == (6, [1, 2, 3, 4, 5, 6])
    lake.close()


def test_merged_rows_are_sorted_by_agent_and_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for position, seqs in enumerate(((5, 1, 3), (4, 2, 6))):
        commit(lake, position, *seqs)
    lake.merge()
    found = snapshot.connect(lake.snapshot(0, 0)).execute("SELECT agent, time FROM events").fetchall()
    assert found == sorted(found)
    lake.close()


def test_stored_alerts_are_known_by_id(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.commit(Commit({"alerts": alerts("a", "b")}, 1))
    assert lake.stored_alerts(["b", "c"]) == {("b", 0)}
    lake.close()


def test_a_file_cut_short_or_missing_is_named_at_the_next_start(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, 1, 1)
    (path,) = snapshot.files(lake.snapshot(0, 0))
    lake.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(StoreError, match=r"vedette-collector replay"):
        Lake(tmp_path)
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        Lake(tmp_path)
    path.write_bytes(whole)
    Lake(tmp_path).close()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("DROP TABLE lake.sessions", "its table sessions is missing"),
        ("ALTER TABLE lake.alerts DROP COLUMN revision", "its table alerts has other columns"),
    ],
)
def test_a_lake_of_another_version_says_to_replay(tmp_path: Path, change: str, what: str) -> None:
    lake = Lake(tmp_path)
    commit(lake, 1, 1)
    lake._connection.execute(change)  # noqa: SLF001 - as an older version made it
    lake.close()
    for _start in range(2):
        with pytest.raises(StoreError, match=f"{what}: .*vedette-collector replay") as told:
            Lake(tmp_path)
        assert "\n" not in str(told.value)


def test_what_a_crash_left_behind_is_deleted_at_start(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, 1, 1)
    lake.close()
    orphan = tmp_path / "data" / "main" / "events" / "ducklake-orphan.parquet"
    orphan.write_bytes(b"PAR1")
    again = Lake(tmp_path)
    assert not orphan.exists()
    assert seen(again) == [1]
    again.close()


def test_positions_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.lake.lake._POSITIONS_KEPT", 3)
    lake = Lake(tmp_path)
    for position in range(1, 9):
        commit(lake, position)
    found = lake._connection.execute("SELECT count(*), max(next) FROM lake.position").fetchone()  # noqa: SLF001
    assert found is not None
    assert (found[0] <= 4, found[1]) == (True, 8)
    lake.close()
