"""The decisions on policies in state.db, as the ledger's acts hold them, and the answer to a host."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

import msgspec

from . import recorded, rollout
from .enrolments import Enrolments
from .paths import Paths
from .rollout import Decision, Offer
from .state_db import StateDb

_TABLE = """CREATE TABLE IF NOT EXISTS policies (
    time INTEGER NOT NULL, verb TEXT NOT NULL, decision TEXT NOT NULL, PRIMARY KEY (time, verb, decision)
) STRICT, WITHOUT ROWID"""
_NAME = "policies"
_decoder = msgspec.json.Decoder(Decision)


class Policies:
    """The table; made at first use, for a state.db may be older than it."""

    def __init__(self, db: StateDb) -> None:
        self._db = db

    def position(self) -> int:
        """Return the index of the first ledger entry that is not yet taken in."""
        with self._db.reading() as db:
            row = db.execute("SELECT position FROM projections WHERE name = ?", (_NAME,)).fetchone()
            return row["position"] if row else 0

    def take(self, changes: Iterable[Decision], position: int) -> None:
        """Take in what the ledger's entries before position say; what is known stays."""
        with self._db.transaction() as db:
            db.execute(_TABLE)
            for one in changes:
                row = (one.time, one.verb, msgspec.json.encode(one).decode())
                db.execute("INSERT OR IGNORE INTO policies VALUES (?, ?, ?)", row)
            db.execute("INSERT OR REPLACE INTO projections VALUES (?, ?)", (_NAME, position))

    def mark(self) -> tuple[int, int]:
        """Return what changes with each decision: how many there are, and the time of the newest."""
        with self._db.reading() as db:
            if not _is_there(db):
                return 0, 0
            count, newest = db.execute("SELECT COUNT(*), MAX(time) FROM policies").fetchone()
            return int(count), int(newest or 0)

    def decisions(self) -> list[Decision]:
        """Return all decisions, the oldest first."""
        with self._db.reading() as db:
            if not _is_there(db):
                return []
            rows = db.execute("SELECT decision FROM policies ORDER BY time, verb").fetchall()
            return [_decoder.decode(row["decision"]) for row in rows]


def known(paths: Paths) -> Policies:
    """Return the decisions with every durable act taken in.

    Raises:
        NotSetUp: there is no database.
        LedgerError: the ledger cannot be read.
    """
    found = Policies(StateDb(paths.state_db))
    recorded.bring(paths.ledger, found, rollout.change)
    return found


class Offers:
    """Answers hosts; what was decided is read again once there is more of it."""

    def __init__(self, paths: Paths) -> None:
        db = StateDb(paths.state_db)
        self._policies, self._enrolments = Policies(db), Enrolments(db)
        self._mark = (0, 0)
        self._every: tuple[Offer, ...] = ()

    def answer(self, agent: str, has: str) -> bytes:
        """Return what an agent is handed; nothing where has is the hex SHA-256 of the same, or there is none.

        Raises:
            StateError: the database cannot be read.
        """
        mark = self._policies.mark()
        if mark != self._mark:
            self._every, self._mark = rollout.offers(self._policies.decisions()), mark
        enrolled = self._enrolments.find(agent) if self._every else None
        chosen = rollout.offered(self._every, agent, enrolled.labels) if enrolled is not None else None
        if chosen is None:
            return b""
        raw = rollout.handed(self._every, chosen)
        return b"" if hashlib.sha256(raw).hexdigest() == has else raw


def _is_there(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'policies'").fetchone() is not None
