"""The suppressions in state.db; each was an act in the ledger before it stands here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from ..errors import CollectorError
from ..state_db import StateDb, has_table, write_position
from .suppression import Scope, Suppression

_TABLE = """CREATE TABLE IF NOT EXISTS suppressions (
    id TEXT PRIMARY KEY, author TEXT NOT NULL, reason TEXT NOT NULL, scope TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, ended INTEGER, ended_by TEXT
) STRICT"""
_NAME = "suppressions"
_scope = msgspec.json.Decoder(Scope)


class Ended(msgspec.Struct, frozen=True):
    """That somebody ended a suppression before its time; time is UTC ns."""

    id: str
    by: str
    time: int


class Suppressions:
    """The table; made at first use, for a state.db may be older than it."""

    def __init__(self, db: StateDb) -> None:
        self._db = db

    def position(self) -> int:
        """Return the index of the first ledger entry that is not yet taken in."""
        return self._db.position(_NAME)

    def take(self, changes: Iterable[Suppression | Ended], position: int) -> None:
        """Take in what the ledger's entries before position say, in their order; what is known stays."""
        with self._db.transaction() as db:
            db.execute(_TABLE)
            for change in changes:
                _apply(db, change)
            write_position(db, _NAME, position)

    def add(self, made: Suppression) -> None:
        """Store one."""
        with self._db.transaction() as db:
            db.execute(_TABLE)
            _apply(db, made)

    def end(self, identity: str, by: str, now: int) -> None:
        """Note that somebody ended one; one that was ended before stays as it is."""
        with self._db.transaction() as db:
            _apply(db, Ended(identity, by, now))

    def find(self, prefix: str) -> Suppression:
        """Return the one whose id begins with prefix.

        Raises:
            CollectorError: there is none, or more than one.
        """
        found = [one for one in self.rows() if prefix and one.id.startswith(prefix)]
        if len(found) != 1:
            count = "no suppression" if not found else "more than one suppression"
            raise CollectorError(f"id: {count} begins with {prefix!r}")
        return found[0]

    def rows(self) -> list[Suppression]:
        """Return all, the oldest first."""
        with self._db.reading() as db:
            if not has_table(db, _NAME):
                return []
            return [_row(row) for row in db.execute("SELECT * FROM suppressions ORDER BY created, id")]

    def active(self, now: int) -> list[Suppression]:
        """Return those that hide something now, the oldest first."""
        return [one for one in self.rows() if one.standing(now) == "active"]


def _apply(db: sqlite3.Connection, change: Suppression | Ended) -> None:
    if isinstance(change, Ended):
        db.execute(
            "UPDATE suppressions SET ended = ?, ended_by = ? WHERE id = ? AND ended IS NULL",
            (change.time, change.by, change.id),
        )
        return
    scope = msgspec.json.encode(change.scope).decode()
    row = (change.id, change.author, change.reason, scope, change.created, change.expires)
    db.execute("INSERT OR IGNORE INTO suppressions VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)", row)


def _row(row: sqlite3.Row) -> Suppression:
    return Suppression(
        row["id"],
        row["author"],
        row["reason"],
        _scope.decode(row["scope"]),
        row["created"],
        row["expires"],
        row["ended"],
        row["ended_by"],
    )
