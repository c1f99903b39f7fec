"""The entries of a bundle, opened: keys, revocations, retention, and the statements these keys signed.

What cannot be believed is named in problems and left out; nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from . import decision, dsse, enrolment, entry, seal, statement, successor
from .bundle import Piece
from .decision import Retention
from .entry import Entry, EntryType
from .errors import EvidenceError
from .kind import Lane
from .statement import Statement
from .successor import Join

STATEMENTS = frozenset({EntryType.BATCH, EntryType.ACT, EntryType.EQUIVOCATION})
"""Entries whose payload is an envelope with a statement."""

Place = tuple[str, int, Lane]
"""A chain: agent, epoch, lane."""


class Key(msgspec.Struct, frozen=True):
    """A signing key, the digest of the entry that enrolled it, and whether it is the collector's own."""

    public: bytes
    entry: str
    own: bool


class Signed(msgspec.Struct, frozen=True):
    """A statement whose signature holds, where it stands in the ledger, and its data, None if not here."""

    index: int
    type: EntryType
    said: Statement
    digest: str
    data: bytes | None
    aside: bool

    @property
    def place(self) -> Place:
        """The chain it belongs to."""
        return self.said.agent, self.said.epoch, self.said.lane

    def __str__(self) -> str:
        """Return its name in messages."""
        return f"agent {self.said.agent}, {self.said.lane} {self.said.seq}"


class Opened(msgspec.Struct, frozen=True):
    """What a bundle's entries say. Keys by (agent, epoch); revoked: smallest leaf by (agent, epoch or None).

    statements are those of the chains, asides stand outside them, forks are second statements of one place.
    """

    keys: dict[tuple[str, int], Key]
    revoked: dict[tuple[str, int | None], int]
    retentions: tuple[tuple[int, Retention], ...]
    statements: tuple[Signed, ...]
    asides: tuple[Signed, ...]
    forks: tuple[Signed, ...]
    joins: tuple[Join, ...] = ()


def open_pieces(pieces: Iterable[Piece], problems: list[str]) -> Opened:
    """Open the entries of a bundle; add to problems what does not hold."""
    entries = [(piece, found) for piece in pieces if (found := _entry(piece, problems)) is not None]
    keys: dict[tuple[str, int], Key] = {}
    revoked: dict[tuple[str, int | None], int] = {}
    retentions: list[tuple[int, Retention]] = []
    joins: list[Join] = []
    for piece, found in entries:
        try:
            if found.type is EntryType.ENROLMENT:
                _enrol(keys, piece, found.payload)
            elif found.type is EntryType.REVOCATION:
                gone = enrolment.revocation(found.payload)
                revoked.setdefault((gone.agent, gone.epoch), piece.index)
            elif found.type is EntryType.RETENTION:
                retentions.append((piece.index, decision.retention(found.payload)))
            elif found.type is EntryType.SUCCESSOR:
                joins.append(successor.join(found.payload, piece.index))
        except EvidenceError as error:
            problems.append(f"entry {piece.index}: {error}")
    signed = _statements(entries, keys, revoked, problems)
    return Opened(
        keys,
        revoked,
        tuple(retentions),
        tuple(item for item in signed if item.type is not EntryType.EQUIVOCATION and not item.aside),
        tuple(item for item in signed if item.aside),
        tuple(item for item in signed if item.type is EntryType.EQUIVOCATION and not item.aside),
        tuple(joins),
    )


def _entry(piece: Piece, problems: list[str]) -> Entry | None:
    try:
        return entry.decode(piece.entry)
    except EvidenceError as error:
        problems.append(f"entry {piece.index}: {error}")
        return None


def _enrol(keys: dict[tuple[str, int], Key], piece: Piece, payload: bytes) -> None:
    """Take a key from an enrolment whose proof of possession holds.

    Raises:
        EvidenceError: it does not hold, or the agent's epoch has a key already.
    """
    record = enrolment.record(payload)
    proof = enrolment.proven(record.proof.encode())
    if (proof.public, proof.token) != (record.public, record.token):
        raise EvidenceError("the enrolment's proof is for another key or token")
    if (record.agent, record.epoch) in keys:
        raise EvidenceError(f"agent {record.agent}, epoch {record.epoch}, is enrolled a second time")
    keys[record.agent, record.epoch] = Key(
        bytes.fromhex(record.public), entry.digest(piece.entry), record.token == enrolment.OWN_TOKEN
    )


def _statements(
    entries: Iterable[tuple[Piece, Entry]],
    keys: dict[tuple[str, int], Key],
    revoked: dict[tuple[str, int | None], int],
    problems: list[str],
) -> list[Signed]:
    found: list[Signed] = []
    for piece, opened in entries:
        if opened.type not in STATEMENTS:
            continue
        try:
            item = _statement(piece, opened, keys)
        except EvidenceError as error:
            problems.append(f"entry {piece.index}: {error}")
            continue
        agent, epoch = item.said.agent, item.said.epoch
        if any(piece.index > revoked.get((agent, number), piece.index) for number in (None, epoch)):
            problems.append(f"entry {piece.index}: agent {agent} was revoked before it")
        else:
            found.append(item)
    return found


def _statement(piece: Piece, opened: Entry, keys: dict[tuple[str, int], Key]) -> Signed:
    envelope = dsse.parse(opened.payload, statement.PAYLOAD_TYPE)
    said = statement.from_bytes(envelope.payload)
    key = keys.get((said.agent, said.epoch))
    if key is None:
        raise EvidenceError(f"no enrolment of agent {said.agent}, epoch {said.epoch}, is in the bundle")
    dsse.check(envelope, key.public)
    if opened.type is EntryType.ACT and not key.own:
        raise EvidenceError(f"agent {said.agent} is no collector, yet the entry is an act of one")
    if piece.data is not None:
        seal.check_data(said, piece.data)
    return Signed(piece.index, opened.type, said, statement.digest(envelope.payload), piece.data, piece.aside)
