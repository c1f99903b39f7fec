"""The decisions on policies in state.db, as the ledger's acts hold them, and the answer to a host."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

import msgspec

from evidence.errors import EvidenceError

from .. import recorded
from ..bounded import remember
from ..enrolment.enrolments import Enrolments
from ..errors import StateError
from ..paths import Paths
from ..state_db import StateDb, has_table, write_position
from . import rollout
from .rollout import Decision, Offer

_TABLE = """CREATE TABLE IF NOT EXISTS policies (
    time INTEGER NOT NULL, verb TEXT NOT NULL, decision TEXT NOT NULL, PRIMARY KEY (time, verb, decision)
) STRICT, WITHOUT ROWID"""
_NAME = "policies"
_LOOK_SECONDS = 1.0
_LABELS_LIMIT = 100_000
_decoder = msgspec.json.Decoder(Decision)


class Policies:
    """The table; made at first use, for a state.db may be older than it."""

    def __init__(self, db: StateDb) -> None:
        self._db = db

    def position(self) -> int:
        """Return the index of the first ledger entry that is not yet taken in."""
        return self._db.position(_NAME)

    def take(self, changes: Iterable[Decision], position: int) -> None:
        """Take in what the ledger's entries before position say; what is known stays."""
        with self._db.transaction() as db:
            db.execute(_TABLE)
            for one in changes:
                row = (one.time, one.verb, msgspec.json.encode(one).decode())
                db.execute("INSERT OR IGNORE INTO policies VALUES (?, ?, ?)", row)
            write_position(db, _NAME, position)

    def mark(self) -> tuple[int, int]:
        """Return what changes with each decision: how many there are, and the time of the newest."""
        with self._db.reading() as db:
            if not has_table(db, _NAME):
                return 0, 0
            count, newest = db.execute("SELECT COUNT(*), MAX(time) FROM policies").fetchone()
            return int(count), int(newest or 0)

    def decisions(self) -> list[Decision]:
        """Return all decisions, the oldest first."""
        with self._db.reading() as db:
            if not has_table(db, _NAME):
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

    def __init__(self, paths: Paths, clock: Callable[[], float] = time.monotonic) -> None:
        """Take where the state is, and a clock in seconds. Several threads may ask at once."""
        db = StateDb(paths.state_db)
        self._clock = clock
        self._looked: float | None = None
        self._labels: dict[str, dict[str, str]] = {}
        self._policies, self._enrolments = Policies(db), Enrolments(db)
        self._mark = (0, 0)
        self._every: tuple[Offer, ...] = ()

    def answer(self, agent: str, has: str) -> bytes:
        """Return what an agent is handed; nothing where has is the hex SHA-256 of the same, or there is none.

        Raises:
            StateError: the database cannot be read, or holds what is no policy to this version.
        """
        self._look()
        labels = self._labels_of(agent) if self._every else None
        chosen = rollout.offered(self._every, agent, labels) if labels is not None else None
        if chosen is None:
            return b""
        raw = rollout.handed(self._every, chosen)
        return b"" if hashlib.sha256(raw).hexdigest() == has else raw

    def _look(self) -> None:
        """Take up what was decided, looking once a second at most: a large fleet asks often."""
        now = self._clock()
        if self._looked is not None and now - self._looked < _LOOK_SECONDS:
            return
        mark = self._policies.mark()
        if mark != self._mark:
            try:
                self._every, self._mark = rollout.offers(self._policies.decisions()), mark
            except EvidenceError as error:
                raise StateError(f"state.db: a policy that cannot be read: {error}") from error
        self._looked = now

    def _labels_of(self, agent: str) -> dict[str, str] | None:
        """Return the labels of an agent, which never change; None for one that is not known yet."""
        known = self._labels.get(agent)
        if known is None and (enrolled := self._enrolments.find(agent)) is not None:
            known = enrolled.labels
            remember(self._labels, agent, known, _LABELS_LIMIT)
        return known
