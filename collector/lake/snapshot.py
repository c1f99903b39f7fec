"""What readers see of the lake: a list of Parquet files, written after each commit, and views over them.

Any process may read it, at any time, without the catalog. Files stay for a grace period after they were
merged into others, so a reader of an older snapshot does not fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import duckdb
import msgspec

from ..errors import StoreError
from ..files import write as write_whole
from ..rules.rulebook import Book
from . import columns
from .columns import TableName

VIEWS: tuple[TableName, ...] = ("events", "alerts", "batches", "sessions")
_NEWEST = "QUALIFY row_number() OVER (PARTITION BY agent, boot, session ORDER BY revised DESC) = 1"
"""What holds of sessions: rows of former revisions are kept, and not shown."""
_PLACE = MappingProxyType({"filename": "VARCHAR", "file_row_number": "BIGINT"})
"""Columns that DuckDB's reader of Parquet adds to those of a file."""
_MACROS = """
CREATE MACRO ns(moment) AS epoch_ns(CAST(moment AS TIMESTAMP_NS));
CREATE MACRO utc(nanoseconds) AS make_timestamp_ns(nanoseconds);
"""


class Snapshot(msgspec.Struct, frozen=True):
    """The lake at one moment: its snapshot id, the next ledger index, UTC ns, files by table (absolute).

    book is what people decided of rules until then.
    """

    id: int
    position: int
    time: int
    tables: dict[str, tuple[str, ...]]
    book: Book = Book()


_decoder = msgspec.json.Decoder(Snapshot)


def write(path: Path, snapshot: Snapshot) -> None:
    """Replace the snapshot at path in one step, readable by the collector's own user alone."""
    write_whole(path, msgspec.json.encode(snapshot))


def read(path: Path) -> Snapshot:
    """Return the newest snapshot.

    Raises:
        StoreError: there is none yet, or it cannot be read.
    """
    try:
        return _decoder.decode(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; is the collector running?") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: no snapshot of the lake ({error})") from error


def book(path: Path) -> Book:
    """Return what people decided of rules by now; nothing where there is no snapshot yet."""
    try:
        return read(path).book
    except StoreError:
        return Book()


def files(snapshot: Snapshot) -> Iterator[Path]:
    """Yield every file the snapshot's views read."""
    for name in VIEWS:
        yield from map(Path, snapshot.tables.get(name, ()))


def connect(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with the views events, alerts, batches and sessions over its files.

    session_revisions has the former revisions of sessions too, event_places each event's file and row there.

    ``ns('2026-11-22 10:00')`` gives a UTC time in the lake's nanoseconds, ``utc(time)`` the reverse.
    """
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    for name in VIEWS:
        connection.execute(f"CREATE VIEW {name} AS {_select(name, snapshot.tables.get(name, ()))}")
    revisions = _rows("sessions", snapshot.tables.get("sessions", ()))
    connection.execute(f"CREATE VIEW session_revisions AS {revisions}")
    places = _rows("events", snapshot.tables.get("events", ()), _PLACE)
    connection.execute(f"CREATE VIEW event_places AS {places}")
    connection.execute(_MACROS)
    return connection


def _select(name: TableName, paths: tuple[str, ...]) -> str:
    newest = _NEWEST if name == "sessions" and paths else ""
    return f"{_rows(name, paths)} {newest}"


def _rows(name: TableName, paths: tuple[str, ...], place: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return what selects a table's rows from its files; place are columns of the reader, with types."""
    stored = [(f'"{column.name}"', column.type) for column in columns.TABLES[name]] + list(place.items())
    if not paths:
        return f"SELECT {', '.join(f'NULL::{of_type} AS {column}' for column, of_type in stored)} WHERE false"
    listed = ", ".join(_quote(path) for path in paths)
    reader = f"read_parquet([{listed}], hive_partitioning = false)"
    return f"SELECT {', '.join(column for column, _ in stored)} FROM {reader}"  # noqa: S608 - quoted


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
