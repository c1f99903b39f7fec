"""Who is enrolled: a projection of the ledger's enrolment and revocation entries into state.db.

What is not in the ledger lives beside it: each agent's newest certificate, and the reply to its enrolment, so
that a host whose answer was lost can ask again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from evidence import enrolment, entry
from evidence.enrolment import OWN_TOKEN, Facts, Reply
from evidence.entry import EntryType

from ..errors import CollectorError
from ..state_db import StateDb, read_position, write_position

_NAME = "enrolments"


class Enrolment(msgspec.Struct, frozen=True):
    """One agent: indices of its entries (position, revoked_at), its raw key in hex, times in UTC ns."""

    agent: str
    position: int
    epoch: int
    time: int
    public: str
    token: str
    csr_sha256: str
    machine_id: str
    instance_id: str | None
    host: str
    labels: dict[str, str]
    successor_of: str | None = None
    revoked: int | None = None
    revoked_at: int | None = None


class Certificate(msgspec.Struct, frozen=True):
    """An agent's newest client certificate: SHA-256 of its DER, and when it expires (UTC ns)."""

    sha256: str
    expires: int


class Enrolments:
    """The enrolments in state.db."""

    def __init__(self, db: StateDb) -> None:
        self._db = db

    def position(self) -> int:
        """Return the index of the first ledger entry that is not yet taken in."""
        return self._db.position(_NAME)

    def take(self, start: int, entries: Sequence[bytes]) -> None:
        """Take in ledger entries from index start on; those known already change nothing."""
        with self._db.transaction() as db:
            for index, raw in enumerate(entries, start):
                _apply(db, index, raw)
            end = start + len(entries)
            if start <= read_position(db, _NAME) < end:
                write_position(db, _NAME, end)

    def rows(self) -> list[Enrolment]:
        """Return all agents in the order of their enrolment."""
        with self._db.reading() as db:
            return [_row(row) for row in db.execute("SELECT * FROM enrolments ORDER BY position")]

    def find(self, agent: str) -> Enrolment | None:
        """Return one agent."""
        return self._one("agent = ?", agent)

    def match(self, prefix: str) -> Enrolment:
        """Return the one agent whose id begins with prefix, or whose host name it is.

        Raises:
            CollectorError: there is none, or more than one.
        """
        with self._db.reading() as db:
            found = db.execute(
                "SELECT * FROM enrolments WHERE substr(agent, 1, length(:p)) = :p OR host = :p LIMIT 3",
                {"p": prefix},
            ).fetchall()
        if len(found) != 1:
            count = "no agent" if not found else "more than one agent"
            raise CollectorError(f"{count} is called {prefix!r}; see `vedette-collector agents list`")
        return _row(found[0])

    def by_key(self, public: str) -> Enrolment | None:
        """Return the agent that enrolled this signing key (hex)."""
        return self._one("public = ?", public)

    def predecessor(self, facts: Facts) -> str | None:
        """Return the agent that last enrolled this machine id or instance id; never the collector itself."""
        if not facts.machine_id and not facts.instance_id:
            return None
        found = self._one(
            "((machine_id = ? AND machine_id != '') OR instance_id = ?) AND token != ?"
            " ORDER BY position DESC LIMIT 1",
            facts.machine_id,
            facts.instance_id,
            OWN_TOKEN,
        )
        return found.agent if found else None

    def keep_reply(self, reply: Reply, certificate: Certificate, now: int) -> None:
        """Keep what an enrolment was answered."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?)",
                (reply.agent, now, msgspec.json.encode(reply)),
            )
            _keep_certificate(db, reply.agent, certificate)

    def reply(self, agent: str) -> Reply | None:
        """Return what an enrolment was answered."""
        with self._db.reading() as db:
            row = db.execute("SELECT reply FROM replies WHERE agent = ?", (agent,)).fetchone()
        return msgspec.json.decode(row["reply"], type=Reply) if row else None

    def keep_certificate(self, agent: str, certificate: Certificate) -> None:
        """Keep an agent's newest certificate."""
        with self._db.transaction() as db:
            _keep_certificate(db, agent, certificate)

    def certificate(self, agent: str) -> Certificate | None:
        """Return an agent's newest certificate."""
        with self._db.reading() as db:
            row = db.execute("SELECT sha256, expires FROM certificates WHERE agent = ?", (agent,)).fetchone()
        return Certificate(*row) if row else None

    def _one(self, condition: str, *values: str | None) -> Enrolment | None:
        with self._db.reading() as db:
            row = db.execute(f"SELECT * FROM enrolments WHERE {condition}", values).fetchone()  # noqa: S608 - ours
        return _row(row) if row else None


def _apply(db: sqlite3.Connection, index: int, raw: bytes) -> None:
    if raw[:1] not in (bytes([EntryType.ENROLMENT]), bytes([EntryType.REVOCATION])):
        return
    found = entry.decode(raw)
    if found.type is EntryType.REVOCATION:
        revoked = enrolment.revocation(found.payload)
        db.execute(
            "UPDATE enrolments SET revoked = ?, revoked_at = ?"
            " WHERE agent = ? AND COALESCE(?, epoch) = epoch AND revoked IS NULL",
            (revoked.time, index, revoked.agent, revoked.epoch),
        )
        return
    record = enrolment.record(found.payload)
    proof = enrolment.proven(record.proof.encode())
    row: tuple[Any, ...] = (
        *(record.agent, index, record.epoch, record.time, record.public, record.token, proof.csr_sha256),
        *(proof.facts.machine_id, proof.facts.instance_id, proof.facts.host),
        *(msgspec.json.encode(record.labels).decode(), record.successor_of, None, None),
    )
    db.execute("INSERT OR IGNORE INTO enrolments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _keep_certificate(db: sqlite3.Connection, agent: str, certificate: Certificate) -> None:
    db.execute(
        "INSERT OR REPLACE INTO certificates VALUES (?, ?, ?)",
        (agent, certificate.sha256, certificate.expires),
    )


def _row(row: sqlite3.Row) -> Enrolment:
    fields: dict[str, Any] = dict(row)
    fields["labels"] = msgspec.json.decode(row["labels"], type=dict[str, str])
    return Enrolment(**fields)
