"""Running a query on a snapshot's connection: rows as dictionaries, stopped when its time is up."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from ..errors import QueryError, StoreError
from ..lake import snapshot
from .queries import Places, Query, at

Row = dict[str, Any]
_BATCH = 2000


def connect(path: Path, memory_bytes: int) -> duckdb.DuckDBPyConnection:
    """Open the newest snapshot, with bounded memory and nothing spilled to disk.

    Raises:
        StoreError: there is none yet, or a file of it cannot be read.
    """
    try:
        connection = snapshot.connect(snapshot.read(path))
        connection.execute(f"SET memory_limit='{memory_bytes}B'")
        connection.execute(f"SET threads={os.cpu_count() or 1}")
        connection.execute("SET temp_directory=''")
    except duckdb.Error as error:
        raise StoreError(f"the snapshot cannot be read: {str(error).splitlines()[0]}") from error
    return connection


def rows(connection: duckdb.DuckDBPyConnection, query: Query, seconds: float) -> list[Row]:
    """Return the rows; columns that are NULL are None.

    Raises:
        QueryError: it took longer than seconds.
        StoreError: the snapshot cannot be read.
    """
    with _bounded(connection, seconds):
        cursor = connection.execute(query.sql, list(query.parameters))
        names = [str(item[0]) for item in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def events(connection: duckdb.DuckDBPyConnection, places: Places, seconds: float) -> list[Row]:
    """Return the events that are found there; each of both steps may take seconds.

    Raises:
        QueryError, StoreError: as `rows`.
    """
    return rows(connection, at(rows(connection, places.query, seconds), places.order), seconds)


def stream(connection: duckdb.DuckDBPyConnection, query: Query, seconds: float) -> Iterator[list[Row]]:
    """Yield the rows in batches, for answers that need not fit into memory.

    Raises:
        QueryError, StoreError: as `rows`.
    """
    with _bounded(connection, seconds):
        cursor = connection.execute(query.sql, list(query.parameters))
        names = [str(item[0]) for item in cursor.description or ()]
        while batch := cursor.fetchmany(_BATCH):
            yield [dict(zip(names, row, strict=True)) for row in batch]


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryError(f"stopped after {seconds:g} s, the limit; narrow it by time or host") from error
    except duckdb.OutOfMemoryException as error:
        raise QueryError("the query needs more memory than it may have; narrow it by time or host") from error
    except duckdb.Error as error:
        raise StoreError(f"the snapshot cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        timer.cancel()


def plain(row: Row) -> Row:
    """Return a row for JSON: NULL left out; what is JSON in a text as what it says."""
    kept = {name: value for name, value in row.items() if value is not None}
    for name in ("body", "details", "chain", "loss", "dropped"):
        if isinstance(kept.get(name), str):
            try:
                kept[name] = msgspec.json.decode(kept[name])
            except msgspec.DecodeError:
                continue
    return kept
