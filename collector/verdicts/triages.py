"""What people noted of findings, in state.db; each change was an act in the ledger before it stands here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from ..state_db import StateDb, has_table, write_position
from . import triage
from .triage import Change, Finding, Standing

_TABLE = """CREATE TABLE IF NOT EXISTS triage (
    rule TEXT NOT NULL, entity TEXT NOT NULL, time INTEGER NOT NULL, id TEXT NOT NULL, change TEXT NOT NULL,
    PRIMARY KEY (rule, entity, id)
) STRICT, WITHOUT ROWID"""
_NAME = "triage"
_decoder = msgspec.json.Decoder(Change)


class Triages:
    """The table; made at first use, for a state.db may be older than it."""

    def __init__(self, db: StateDb) -> None:
        self._db = db

    def position(self) -> int:
        """Return the index of the first ledger entry that is not yet taken in."""
        return self._db.position(_NAME)

    def take(self, changes: Iterable[Change], position: int) -> None:
        """Take in what the ledger's entries before position say; what is known stays."""
        with self._db.transaction() as db:
            db.execute(_TABLE)
            for one in changes:
                _apply(db, one)
            write_position(db, _NAME, position)

    def add(self, one: Change) -> None:
        """Store one."""
        with self._db.transaction() as db:
            db.execute(_TABLE)
            _apply(db, one)

    def history(self, finding: Finding) -> list[Change]:
        """Return what was noted of one finding, the oldest first."""
        return [one for _, one in self._rows("rule = ? AND entity = ?", finding)]

    def standings(self, rule: str | None = None) -> dict[Finding, Standing]:
        """Return where every finding stands that anything was noted of, of one rule or of all."""
        where, values = ("rule = ?", (rule,)) if rule is not None else ("TRUE", ())
        of: dict[Finding, list[Change]] = {}
        for finding, one in self._rows(where, values):
            of.setdefault(finding, []).append(one)
        return {finding: triage.standing(changes) for finding, changes in of.items()}

    def _rows(self, where: str, values: tuple[str, ...]) -> list[tuple[Finding, Change]]:
        with self._db.reading() as db:
            if not has_table(db, _NAME):
                return []
            found = db.execute(f"SELECT * FROM triage WHERE {where} ORDER BY time, id", values)  # noqa: S608 - no value
            return [((row["rule"], row["entity"]), _decoder.decode(row["change"])) for row in found]


def _apply(db: sqlite3.Connection, one: Change) -> None:
    raw = msgspec.json.encode(msgspec.structs.replace(one, on=())).decode()
    rows = [(rule, entity, one.time, one.id, raw) for rule, entity in one.on]
    db.executemany("INSERT OR IGNORE INTO triage VALUES (?, ?, ?, ?, ?)", rows)
