"""state.db: tokens, users, API tokens, and what is looked up often in the ledger. SQLite, WAL, synced.

Each transaction has a connection of its own, so any thread or process may use it at any time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Literal

from .errors import NotSetUp, StateError

_BUSY_SECONDS = 10.0
_VERSION = 1
_SCHEMA = """
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, created INTEGER NOT NULL, author TEXT NOT NULL,
    expires INTEGER NOT NULL, uses INTEGER NOT NULL, uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    networks TEXT NOT NULL, labels TEXT NOT NULL, revoked INTEGER,
    last_used INTEGER, last_host TEXT, last_address TEXT, last_agent TEXT
) STRICT;
CREATE TABLE users (
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, created INTEGER NOT NULL,
    disabled INTEGER
) STRICT;
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users (name), hash BLOB NOT NULL, label TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, last_used INTEGER, revoked INTEGER
) STRICT;
CREATE TABLE enrolments (
    agent TEXT PRIMARY KEY, position INTEGER NOT NULL, epoch INTEGER NOT NULL, time INTEGER NOT NULL,
    public TEXT NOT NULL, token TEXT NOT NULL, csr_sha256 TEXT NOT NULL,
    machine_id TEXT NOT NULL, instance_id TEXT, host TEXT NOT NULL,
    labels TEXT NOT NULL, successor_of TEXT, revoked INTEGER, revoked_at INTEGER
) STRICT;
CREATE INDEX enrolments_machine ON enrolments (machine_id);
CREATE INDEX enrolments_instance ON enrolments (instance_id);
CREATE UNIQUE INDEX enrolments_public ON enrolments (public);
CREATE TABLE certificates (
    agent TEXT PRIMARY KEY, sha256 TEXT NOT NULL, expires INTEGER NOT NULL
) STRICT;
CREATE TABLE replies (
    agent TEXT PRIMARY KEY, time INTEGER NOT NULL, reply BLOB NOT NULL
) STRICT;
CREATE TABLE projections (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL
) STRICT;
"""


class StateDb:
    """The database file. Its folder must exist; `create` makes the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self) -> None:
        """Make the file and its tables; an existing one stays as it is."""
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(self._connect()) as db:
            db.execute("PRAGMA journal_mode = WAL")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection in a write transaction: committed at the end, rolled back by an exception.

        Raises:
            NotSetUp: there is no database yet.
            StateError: it cannot be read or written.
        """
        return self._transaction("IMMEDIATE")

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection that sees one state of the database and waits for no writer.

        Raises:
            NotSetUp: there is no database yet.
            StateError: it cannot be read.
        """
        return self._transaction("DEFERRED")

    def position(self, projection: str) -> int:
        """Return the index of the first ledger entry that a projection has not yet taken in.

        Raises:
            NotSetUp, StateError: as reading does.
        """
        with self.reading() as db:
            return read_position(db, projection)

    @contextmanager
    def _transaction(self, kind: Literal["IMMEDIATE", "DEFERRED"]) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            raise NotSetUp(f"{self._path}: no such file; run `vedette-collector setup`")
        try:
            with closing(self._connect()) as db:
                db.execute(f"BEGIN {kind}")
                try:
                    yield db
                except BaseException:
                    if db.in_transaction:  # a full disk has rolled it back already
                        db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(f"{self._path}: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        return db


def read_position(db: sqlite3.Connection, projection: str) -> int:
    """Return the index of the first ledger entry that a projection has not yet taken in."""
    row = db.execute("SELECT position FROM projections WHERE name = ?", (projection,)).fetchone()
    return row["position"] if row else 0


def write_position(db: sqlite3.Connection, projection: str, position: int) -> None:
    """Note that a projection holds what the entries before position say, in the transaction it did so in."""
    db.execute("INSERT OR REPLACE INTO projections VALUES (?, ?)", (projection, position))


def has_table(db: sqlite3.Connection, name: str) -> bool:
    """Return whether there is a table of that name; some are made at first use, in an older file too."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None
