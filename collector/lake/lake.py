"""The lake: DuckLake tables over Parquet files, with a DuckDB-file catalog that one process owns.

A commit stores rows and the ledger position in one transaction. The Parquet files are synced before it, for
DuckDB syncs only its catalog, and a power cut must not leave a catalog that names empty files.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from ..errors import StoreError
from ..files import make_folder, sync_folder
from . import columns, extract
from .columns import TableName
from .shelf import Commit
from .snapshot import VIEWS, Snapshot

SMALL_FILE = 4 << 20
"""Bytes; files from this size on are not merged again: at 30,000 events/s and more a commit writes such.

Merging costs as much for a row as storing it did: it is for rates at which there is time for it.
"""
_TARGET_FILE = 32 << 20
"""Bytes that are merged into one file; bounds what a merge needs of memory."""
_ROW_GROUP = 15_360
"""Rows of a row group: its writer holds it in memory, and a query for one host reads it or leaves it out."""
_CONFIG: dict[str, str | int | bool] = {
    # A merge of _TARGET_FILE beside a commit takes about 500 MB; neither may fail for want of it.
    "memory_limit": "1GB",
    # Files are read once here, to be merged: what is kept of them would only fill the memory up to its limit.
    "enable_external_file_cache": False,
    # Without it the allocator keeps what a merge has freed until the next one.
    "allocator_background_threads": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_HOURS_OF_SNAPSHOTS = 1
_POSITIONS_KEPT = 1000
_OPTIONS = (
    f"CALL lake.set_option('target_file_size', '{_TARGET_FILE >> 20}MiB')",
    f"CALL lake.set_option('parquet_row_group_size', '{_ROW_GROUP}')",
    "CALL lake.set_option('parquet_compression', 'zstd')",
    "CALL lake.set_option('parquet_compression_level', '1')",  # as small as level 3 here, and a tenth faster
    "CALL lake.set_option('sort_on_insert', 'false')",
    "CALL lake.set_option('data_inlining_row_limit', '1', table_name => 'position')",
)


class Lake:
    """One lake in a folder: catalog.ducklake and data/. merge and clean may run in another thread."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Open the lake, and make it where there is none.

        One thread of DuckDB's own costs a fifth less CPU for each row than two do.

        Raises:
            StoreError: it cannot be opened, is open elsewhere, or files of it are missing or cut short.
        """
        self._folder = folder
        make_folder(folder)
        self._synced: dict[str, int] = {}
        self._positions = 0
        try:
            self._connection = _connect(folder, threads)
            self._create()
            self._merger = self._connection.cursor()
            for one in (self._connection, self._merger):
                one.execute("SET enable_progress_bar = false")  # it would be drawn to the log
            self._drop_orphans()
            self._check_files()
        except duckdb.Error as error:
            raise _fault(folder, error) from error

    def _create(self) -> None:
        rows = self._connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake' "
            "ORDER BY table_name, column_index"
        ).fetchall()
        if rows:
            self._compare(rows)
        else:
            self._connection.execute("BEGIN")
            for name in columns.TABLES:
                self._connection.execute(f"CREATE TABLE lake.{name} ({columns.definition(name)})")
            self._connection.execute("ALTER TABLE lake.events SET SORTED BY (agent, time)")
            self._connection.execute("COMMIT")
        for statement in _OPTIONS:  # not possible in the transaction that creates the tables
            self._connection.execute(statement)

    def _compare(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Let through a lake that this version made; what another one did not store, only the ledger has."""
        for table, wanted in columns.TABLES.items():
            found = [(name, kind) for owner, name, kind in rows if owner == table]
            if found != [(one.name, one.type) for one in wanted]:
                self._connection.close()
                what = "has other columns" if found else "is missing"
                raise StoreError(
                    f"{self._folder}: made by another version, its table {table} {what}: "
                    "run vedette-collector replay, which rebuilds it from the ledger"
                )

    def position(self) -> int:
        """Return the index of the first ledger entry that is not stored."""
        row = self._connection.execute("SELECT coalesce(max(next), 0) FROM lake.position").fetchone()
        return 0 if row is None else int(row[0])

    def commit(self, commit: Commit) -> None:
        """Store rows and position together, durably; on an error nothing is stored.

        Raises:
            StoreError: nothing was stored; trying again can help, for instance when the disk was full.
        """
        try:
            self._connection.execute("BEGIN")
            for name, rows in commit.tables.items():
                if rows.num_rows:
                    whole = extract.arriving(rows, commit.texts) if name == "events" else rows
                    self._insert(name, whole)
            self._advance(commit.position)
            self._sync()
            self._connection.execute("COMMIT")
        except (duckdb.Error, OSError) as error:
            self._roll_back(self._connection)
            raise _fault(self._folder, error) from error

    def _advance(self, position: int) -> None:
        self._connection.execute("INSERT INTO lake.position VALUES (?)", [position])
        self._positions += 1
        if self._positions > _POSITIONS_KEPT:
            self._connection.execute("DELETE FROM lake.position WHERE next < ?", [position])
            self._positions = 1

    def _insert(self, name: TableName, rows: pa.Table) -> None:
        self._connection.register("arriving", rows)
        try:
            made = extract.select("arriving") if name == "events" else "SELECT * FROM arriving"
            self._connection.execute(f"INSERT INTO lake.{name} {made}")
        finally:
            self._connection.unregister("arriving")

    @staticmethod
    def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
        with contextlib.suppress(duckdb.Error):  # where DuckDB already gave the transaction up
            connection.execute("ROLLBACK")

    def stored_alerts(self, ids: Iterable[str]) -> set[tuple[str, int]]:
        """Return id and revision of those of ids that are stored."""
        rows = self._connection.execute(
            "SELECT DISTINCT id, coalesce(revision, 0) FROM lake.alerts "
            "WHERE id IN (SELECT unnest(?::VARCHAR[]))",
            [list(ids)],
        ).fetchall()
        return {(str(row[0]), int(row[1])) for row in rows}

    def snapshot(self, position: int, now: int) -> Snapshot:
        """Return what readers may see now; now is UTC ns."""
        row = self._connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
        tables: dict[str, tuple[str, ...]] = {
            name: tuple(str(path) for path, _ in self._files(name)) for name in VIEWS
        }
        return Snapshot(0 if row is None else int(row[0]), position, now, tables)

    def _files(self, name: TableName) -> list[tuple[Path, int]]:
        rows = self._connection.execute(
            f"SELECT data_file, data_file_size_bytes FROM ducklake_list_files('lake', '{name}')"  # noqa: S608
        ).fetchall()
        return [(Path(path), int(size)) for path, size in rows]

    def merge(self) -> None:
        """Merge small files into large ones, sorted; the old ones stay on disk until `clean`.

        Raises:
            StoreError: nothing was merged.
        """
        try:
            for name in VIEWS:
                while self._merge_once(name):
                    pass
        except (duckdb.Error, OSError) as error:
            self._roll_back(self._merger)
            raise _fault(self._folder, error) from error

    def _merge_once(self, name: TableName) -> bool:
        """Merge neighbouring small files into one; tell whether there were any."""
        self._merger.execute("BEGIN")
        made = self._merger.execute(
            f"CALL ducklake_merge_adjacent_files('lake', '{name}', "
            f"max_file_size => {SMALL_FILE}, max_compacted_files => 1)"
        ).fetchall()
        self._sync()
        self._merger.execute("COMMIT")
        return bool(made)

    def clean(self, grace_seconds: int) -> None:
        """Delete files that were merged into others at least grace_seconds ago, and old snapshots.

        Raises:
            StoreError: the catalog could not be written.
        """
        expiry = f"now() - INTERVAL {_HOURS_OF_SNAPSHOTS} HOUR"
        grace = f"now() - INTERVAL {grace_seconds} SECOND"
        try:
            for statement in (
                f"CALL ducklake_expire_snapshots('lake', older_than => {expiry})",
                f"CALL ducklake_cleanup_old_files('lake', older_than => {grace})",
            ):
                self._merger.execute(statement)
        except duckdb.Error as error:
            raise _fault(self._folder, error) from error

    def _drop_orphans(self) -> None:
        """Delete files that a crash left behind: written, never committed. At start nobody writes."""
        self._connection.execute("CALL ducklake_delete_orphaned_files('lake', cleanup_all => true)")

    def _check_files(self) -> None:
        for name in VIEWS:
            for path, size in self._files(name):
                found = path.stat().st_size if path.exists() else None
                if found != size:
                    state = "missing" if found is None else f"{found} bytes"
                    raise StoreError(
                        f"{path}: {state}, the catalog says {size} bytes; "
                        "stop the collector and run vedette-collector replay"
                    )

    def _sync(self) -> None:
        """Make every Parquet file durable that is not known to be; one still growing is synced again."""
        for name in VIEWS:
            folder = self._folder / "data" / "main" / name
            if not folder.is_dir():
                continue
            sizes = {item.path: item.stat().st_size for item in os.scandir(folder)}
            fresh = [path for path, size in sizes.items() if self._synced.get(path) != size]
            for path in fresh:
                _sync_file(path)
            if fresh:
                sync_folder(folder)
            gone = [path for path in self._synced if path.startswith(f"{folder}/") and path not in sizes]
            for path in gone:
                self._synced.pop(path, None)
            self._synced |= {path: sizes[path] for path in fresh}

    def close(self) -> None:
        """Close the catalog."""
        self._merger.close()
        self._connection.close()


def _connect(folder: Path, threads: int) -> duckdb.DuckDBPyConnection:
    """Return a connection with the lake attached; nothing is installed or loaded from elsewhere."""
    temporary = folder / "tmp"
    make_folder(temporary)
    connection = duckdb.connect(config={**_CONFIG, "threads": threads, "temp_directory": str(temporary)})
    connection.execute(f"LOAD {_quote(str(_extension()))}")
    catalog = _quote(f"ducklake:{folder / 'catalog.ducklake'}")
    data = _quote(f"{folder / 'data'}/")
    connection.execute(f"ATTACH {catalog} AS lake (DATA_PATH {data}, DATA_INLINING_ROW_LIMIT 0)")
    return connection


def _extension() -> Path:
    """Return DuckLake's file in its own package, for the DuckDB that is installed."""
    name = f"extensions/v{duckdb.__version__}/ducklake.duckdb_extension"
    package = importlib.util.find_spec("duckdb_extension_ducklake")
    for root in package.submodule_search_locations or () if package is not None else ():
        if (Path(root) / name).exists():
            return Path(root) / name
    raise StoreError(f"duckdb-extension-ducklake {duckdb.__version__} is not installed; versions must agree")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sync_file(path: str) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return  # cleaned away between listing and opening
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _fault(folder: Path, error: Exception) -> StoreError:
    return StoreError(f"{folder}: {str(error).splitlines()[0]}")
