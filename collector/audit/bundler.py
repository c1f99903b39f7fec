"""Makes evidence bundles: which statements belong in, their data, keys, and the proofs to one checkpoint.

For each host's lanes a bundle holds every statement from the last one sealed before the interval to the first
one after it, and what those quote of the other lane, so that an auditor sees that nothing between is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import duckdb
import msgspec

from evidence import bundle, checkpoint, dsse, entry, receipt, statement, tree
from evidence.bundle import Anchor, Claim, Piece, Subject
from evidence.checkpoint import Checkpoint
from evidence.statement import Statement

from ..enrolment import roll
from ..errors import QueryError
from ..lake import snapshot
from ..lake.snapshot import Snapshot
from ..ledger.hashes import PublishedHashes
from ..ledger.publish import Published
from ..ledger.reader import LedgerReader
from ..ledger_access import log_name
from ..paths import Paths
from . import absent_data

MARGIN = 60 * 1_000_000_000
"""Nanoseconds before the first and after the last event of an alert that its bundle covers."""
STATEMENTS_LIMIT = 20_000
DATA_LIMIT = 512 << 20
_CHUNK = 1 << 18
_POLL_SECONDS = 0.1
_BEHIND_SECONDS = 15.0
"""How long a bundle waits for the store to take in what the ledger has."""

_SPAN = """
SELECT min(time), max(time), list(DISTINCT agent ORDER BY agent) FROM events
WHERE (agent, epoch, seq) IN (SELECT unnest(?), unnest(?), unnest(?))
"""
_RANGES = """
WITH inside AS (
    SELECT agent, epoch, lane, min(seq) FILTER (sent >= $begin) AS low, max(seq) FILTER (sent <= $end) AS high
    FROM batches WHERE len($agents) = 0 OR list_contains($agents, agent) GROUP BY ALL
)
SELECT agent, epoch, lane,
    CASE WHEN low IS NULL THEN max(seq) ELSE coalesce(max(seq) FILTER (seq < low), low) END,
    CASE WHEN high IS NULL THEN min(seq) ELSE coalesce(min(seq) FILTER (seq > high), high) END
FROM batches JOIN inside USING (agent, epoch, lane) GROUP BY agent, epoch, lane, low, high
"""
_INDICES = """
SELECT ledger_index FROM batches WHERE agent = ? AND epoch = ? AND lane = ? AND seq BETWEEN ? AND ?
"""


class _Chain(NamedTuple):
    agent: str
    epoch: int
    lane: str


class Story(msgspec.Struct, frozen=True):
    """An incident to be proven: its person, their sessions, its hosts' agent ids and its times (UTC ns)."""

    incident: str
    title: str
    person: str
    sessions: tuple[Claim, ...]
    agents: tuple[str, ...]
    begin: int
    end: int
    events: tuple[str, ...]


class Bundler:
    """Reads the ledger's files and the store's snapshot; each bundle stands under the newest checkpoint."""

    def __init__(
        self, paths: Paths, ledger_key: str, clock: Callable[[], int], patience: float = _BEHIND_SECONDS
    ) -> None:
        """Take where ledger and store are, the ledger's vkey, UTC ns, and seconds to wait for the store."""
        self._paths = paths
        self._ledger_key = ledger_key
        self._clock = clock
        self._patience = patience

    def __call__(
        self, uids: tuple[str, ...], start: int | None, end: int | None, about: Story | None = None
    ) -> Iterator[bytes]:
        """Yield a bundle about these events, about all hosts in an interval (UTC ns), or about an incident.

        Raises:
            QueryError: the events are unknown, or it would be too large.
            CollectorError: ledger or store cannot be read.
        """
        now = self._clock()
        published = Published(self._paths.ledger)
        note = published.checkpoint()
        head = checkpoint.verify_note(note, checkpoint.parse_vkey(self._ledger_key))
        hashes = PublishedHashes(published, head.size)
        with snapshot.connect(self._caught_up(head.size)) as lake:
            subject = _subject(lake, uids, start, end, now) if about is None else _of_story(about, now)
            pieces, said = self._statements(lake, subject, hashes, head)
            reasons = list(self._reasons(lake, pieces, hashes, head))
        pieces += reasons
        said += [_said(piece) for piece in reasons if piece.aside]
        pieces += self._keys({each.agent for each in said}, hashes, head)
        joins = log_name.joins(self._paths)
        pieces += self._pieces(joins, hashes, head, with_data=False)
        anchors = _anchors(said, joins, hashes, head)
        made = bundle.build(self._ledger_key, note.decode(), subject, pieces, anchors)
        yield from (made[at : at + _CHUNK] for at in range(0, len(made), _CHUNK))

    def _statements(
        self, lake: duckdb.DuckDBPyConnection, subject: Subject, hashes: tree.Hashes, head: Checkpoint
    ) -> tuple[list[Piece], list[Statement]]:
        """Return the statements of the interval and what they quote, as pieces and as read."""
        ranges = _ranges(lake, subject)
        pieces: dict[int, Piece] = {}
        said: dict[int, Statement] = {}
        while True:
            wanted = _indices(lake, ranges, head.size) - pieces.keys()
            if len(pieces) + len(wanted) > STATEMENTS_LIMIT:
                raise QueryError(
                    f"bundle: more than {STATEMENTS_LIMIT} statements; choose a shorter interval"
                )
            for piece in self._pieces(wanted, hashes, head, with_data=True):
                pieces[piece.index] = piece
                said[piece.index] = _said(piece)
            if sum(len(piece.data or b"") for piece in pieces.values()) > DATA_LIMIT:
                raise QueryError(f"bundle: more than {DATA_LIMIT} bytes; choose a shorter interval")
            if not _extend(ranges, said.values()):
                return list(pieces.values()), list(said.values())

    def _caught_up(self, size: int) -> Snapshot:
        """Return the store once it has taken in the ledger's first size entries, so that none is left out."""
        end = time.monotonic() + self._patience
        while (shown := snapshot.read(self._paths.snapshot)).position < size:
            if time.monotonic() >= end:
                raise QueryError(
                    f"bundle: the store is {size - shown.position} entries behind the ledger; ask again later"
                )
            time.sleep(_POLL_SECONDS)
        return shown

    def _reasons(
        self, lake: duckdb.DuckDBPyConnection, pieces: list[Piece], hashes: tree.Hashes, head: Checkpoint
    ) -> Iterator[Piece]:
        """Yield, as asides, the entries that say why data of statements in pieces is not there."""
        absent = [piece for piece in pieces if piece.data is None]
        if not absent:
            return
        there = {piece.index for piece in pieces}
        reader = LedgerReader(self._paths.ledger)
        try:
            gone = absent_data.retentions(reader, [piece.index for piece in absent])
        finally:
            reader.close()
        dropped = absent_data.given_up(lake, [_said(piece) for piece in absent]) - there
        wanted = {index for index in dropped | gone if index < head.size}
        for piece in self._pieces(wanted, hashes, head, with_data=False):
            yield msgspec.structs.replace(piece, aside=piece.index in dropped)

    def _keys(self, agents: set[str], hashes: tree.Hashes, head: Checkpoint) -> list[Piece]:
        """Return enrolments and revocations of agents."""
        known = roll.enrolments(self._paths)
        found = [each for each in (known.find(agent) for agent in agents) if each is not None]
        indices = {each.position for each in found} | {
            each.revoked_at for each in found if each.revoked_at is not None
        }
        return list(self._pieces(indices, hashes, head, with_data=False))

    def _pieces(
        self, indices: Iterable[int], hashes: tree.Hashes, head: Checkpoint, *, with_data: bool
    ) -> Iterator[Piece]:
        reader = LedgerReader(self._paths.ledger)
        try:
            for index in sorted(indices):
                for item in reader.items(index, 1):
                    proof = receipt.encode_hashes(tree.inclusion_proof(hashes, index, head.size))
                    data = (item.data or None) if with_data else None
                    yield Piece(index, entry.encode(item.type, item.payload), proof, data, item.received)
        finally:
            reader.close()


def _subject(
    lake: duckdb.DuckDBPyConnection,
    uids: tuple[str, ...],
    start: int | None,
    end: int | None,
    now: int,
) -> Subject:
    """Return what the bundle is about; it cannot speak of a time after now, when its checkpoint was read."""
    if not uids:
        if start is None or end is None:
            raise QueryError("bundle: name events, or the interval's start and end")
        return Subject((), start, min(end, now))
    split = [uid.split(":") for uid in uids]
    try:
        parameters = [
            [agent for agent, _, _ in split],
            [int(epoch) for _, epoch, _ in split],
            [int(seq) for _, _, seq in split],
        ]
    except ValueError as error:
        raise QueryError("bundle: an event is named agent:epoch:seq") from error
    found = lake.execute(_SPAN, parameters).fetchone()
    if found is None or found[0] is None:
        raise QueryError(f"bundle: none of {len(uids)} events is in the store")
    return Subject(tuple(found[2]), max(0, found[0] - MARGIN), min(found[1] + MARGIN, now), events=uids)


def _of_story(story: Story, now: int) -> Subject:
    """Return what a bundle of an incident is about: its hosts, from well before it until well after it."""
    return Subject(
        tuple(sorted({*story.agents, *(one.agent for one in story.sessions)})),
        max(0, story.begin - MARGIN),
        min(story.end + MARGIN, now),
        title=story.title,
        events=story.events,
        incident=story.incident,
        person=story.person,
        sessions=story.sessions,
    )


def _ranges(lake: duckdb.DuckDBPyConnection, subject: Subject) -> dict[_Chain, tuple[int, int]]:
    """Return first and last sequence of each chain; after a clock step they may come in reverse."""
    parameters = {"begin": subject.begin, "end": subject.end, "agents": list(subject.agents)}
    rows = lake.execute(_RANGES, parameters).fetchall()
    return {_Chain(*row[:3]): (min(row[3], row[4]), max(row[3], row[4])) for row in rows}


def _indices(lake: duckdb.DuckDBPyConnection, ranges: dict[_Chain, tuple[int, int]], size: int) -> set[int]:
    found: set[int] = set()
    for chain, (first, last) in ranges.items():
        rows = lake.execute(_INDICES, [*chain, first, last]).fetchall()
        found |= {row[0] for row in rows if row[0] < size}
    return found


def _extend(ranges: dict[_Chain, tuple[int, int]], said: Iterable[Statement]) -> bool:
    """Widen each lane's range to what the other lane quotes of it; tell whether any grew."""
    grew = False
    for each in said:
        chain = _Chain(each.agent, each.epoch, "bulk" if each.lane == "priority" else "priority")
        if chain in ranges and each.other.seq > ranges[chain][1]:
            ranges[chain] = (ranges[chain][0], each.other.seq)
            grew = True
    return grew


def _said(piece: Piece) -> Statement:
    found = entry.decode(piece.entry)
    return statement.from_bytes(dsse.parse(found.payload, statement.PAYLOAD_TYPE).payload)


def _anchors(
    said: Iterable[Statement], joins: Iterable[int], hashes: tree.Hashes, head: Checkpoint
) -> list[Anchor]:
    """Return the proof that each tree which a host quotes, or a former log had, became this one."""
    quoted = {each.seen.size for each in said if each.seen is not None}
    sizes = sorted(size for size in quoted | set(joins) if size <= head.size)
    return [
        Anchor(size, receipt.encode_hashes(tree.consistency_proof(hashes, size, head.size))) for size in sizes
    ]
