"""Snapshots: whole or not there, readable without the catalog, with views that have every column."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.errors import StoreError
from collector.lake import columns, snapshot
from collector.lake.snapshot import Snapshot


def test_snapshot_is_read_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    written = Snapshot(7, 12, 1_700_000_000_000_000_000, {"events": ("/a.parquet", "/b'c.parquet")})
    snapshot.write(path, written)
    assert snapshot.read(path) == written
    assert path.stat().st_mode & 0o777 == 0o600


def test_missing_and_broken_snapshots_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is the collector running"):
        snapshot.read(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"id": 1')
    with pytest.raises(StoreError, match="no snapshot"):
        snapshot.read(tmp_path / "bad.json")


def test_views_of_an_empty_lake_have_every_column_and_no_row() -> None:
    connection = snapshot.connect(Snapshot(0, 0, 0, {}))
    for name in snapshot.VIEWS:
        found = connection.execute(f"SELECT * FROM {name}")  # noqa: S608 - a constant
        assert [item[0] for item in found.description] == [column.name for column in columns.TABLES[name]]
        assert found.fetchall() == []


def test_views_read_the_files_of_the_list_and_quote_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    for seq in (1, 2):
        row = {"seq": seq, "agent": "a" * 32}
        pq.write_table(pa.Table.from_pylist([row], columns.schema("batches")), folder / f"{seq}.parquet")
    image = Snapshot(1, 2, 3, {"batches": tuple(str(folder / f"{seq}.parquet") for seq in (1, 2))})
    rows = snapshot.connect(image).execute("SELECT seq FROM batches ORDER BY seq").fetchall()
    assert rows == [(1,), (2,)]
    assert list(snapshot.files(image)) == [folder / "1.parquet", folder / "2.parquet"]


def test_macros_turn_utc_text_into_the_lakes_times_and_back() -> None:
    connection = snapshot.connect(Snapshot(0, 0, 0, {}))
    found = connection.execute(
        "SELECT ns('2026-11-22 10:00:00'), utc(1795341600000000000)::VARCHAR"
    ).fetchone()
    assert found == (1795341600000000000, "2026-11-22 10:00:00")
