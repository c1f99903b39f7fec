"""Stored events as a rule would be shown them: read from the lake in the order they came, entry by entry.

What the rule is not routed is left out in SQL. A person is who the session's newest revision says, with
their chain; by how much a host's clock was ahead is found anew from the batches, as the fold finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import msgspec

from evidence.event import Event
from evidence.kind import Body
from evidence.kinds import BY_NAME

from ..pipeline import skew
from ..record import Arrival, Hop, Person, Record, SessionRevision
from ..rule import Rule, Site
from ..rules.routes import wants
from ..sigma.narrow import Sql
from .routes_sql import condition

CHUNK_EVENTS = 60_000
"""About how many events that the rule is shown are read at once."""
_BATCHES = 10_000
_END = (1 << 63) - 1
_BY_SESSION = frozenset({"kernel", "hop", "key"})
_bodies = {name: msgspec.json.Decoder(kind) for name, kind in BY_NAME.items()}
_chain = msgspec.json.Decoder(tuple[Hop, ...])
Session = tuple[str, str, int]
"""Agent, boot and number of an audit session."""


class Entry(msgspec.Struct, frozen=True):
    """One entry of the ledger: the arrival of its statement, and the events in it that the rule is shown."""

    arrival: Arrival
    records: tuple[Record, ...]


class Past(msgspec.Struct, frozen=True):
    """What the lake knows of sessions: whose they are, and when that became known (the oldest first)."""

    persons: dict[Session, Person]
    revisions: tuple[SessionRevision, ...]


class Span(msgspec.Struct, frozen=True):
    """Half-open, of the collector's clock, UTC ns."""

    since: int
    until: int


def sessions(connection: duckdb.DuckDBPyConnection) -> Past:
    """Return the newest revision of every session, by when it was made."""
    found = connection.execute(
        'SELECT agent, boot, session, host, "user", person, how, source, fingerprint, login_source, '
        "login_fingerprint, opened, closed, skew, chain, evidence, bytes_out, bytes_in, revised "
        "FROM sessions WHERE person IS NOT NULL ORDER BY revised"
    ).fetchall()
    made = tuple(_revision(row) for row in found)
    return Past({(one.agent, one.boot, one.session): one.person for one in made}, made)


def _revision(row: Sequence[Any]) -> SessionRevision:
    agent, boot, number, host, user, name, how, source, fingerprint, *own = row
    login_source, login_key, opened, closed, ahead, chain, because, out, into, revised = own
    uids = tuple(because or ())
    person = Person(name, how, number, source, fingerprint, uids, _chain.decode(chain) if chain else ())
    return SessionRevision(
        agent, boot, number, host or "", user or "", person, login_source, login_key, opened, closed,
        ahead or 0, out or 0, into or 0, uids, revised,
    )  # fmt: skip


def first(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return when the first entry that is stored was received, None where there is none."""
    row = connection.execute("SELECT min(received) FROM batches").fetchone()
    return None if row is None else row[0]


class Routed(msgspec.Struct, frozen=True):
    """A rule, what is in force for it, and a condition that rows meet of all events that it is shown."""

    rule: Rule
    site: Site
    sql: Sql


def routed(connection: duckdb.DuckDBPyConnection, rule: Rule, site: Site) -> Routed:
    """Return a rule of ours as it is routed."""
    return Routed(rule, site, Sql(condition(connection, rule, site)))


def entries(connection: duckdb.DuckDBPyConnection, routed: Routed, past: Past, span: Span) -> Iterator[Entry]:
    """Yield the entries received in the span, in the ledger's order, each with what the rule is shown."""
    clocks: dict[str, skew.Clock] = {}
    shown = _Shown(routed.rule, routed.site, past.persons)
    after = -1
    for last in [*_bounds(connection, routed.sql, span), _END]:
        by_entry = _grouped(_rows(connection, routed.sql, span, (after, last)))
        for batch in _batches(connection, span, (after, last)):
            yield _entry(batch, by_entry.get(batch[0], ()), shown, clocks)
        after = last


def _bounds(connection: duckdb.DuckDBPyConnection, routed: Sql, span: Span) -> list[int]:
    """Return indices of entries, ascending, between which about CHUNK_EVENTS routed events are.

    Events lie by host and time: each reading of some entries looks through all that came about then.
    """
    found = connection.execute(
        "SELECT max(ledger_index) AS last FROM (SELECT ledger_index, "  # noqa: S608 - no value
        f"row_number() OVER (ORDER BY ledger_index) // {CHUNK_EVENTS} AS part FROM events "
        f"WHERE received >= ? AND received < ? AND NOT contested AND ({routed.text})) "
        "GROUP BY part ORDER BY last",
        [span.since, span.until, *routed.values],
    ).fetchall()
    return [last for (last,) in found]


def _rows(
    connection: duckdb.DuckDBPyConnection, routed: Sql, span: Span, among: tuple[int, int]
) -> duckdb.DuckDBPyConnection:
    """Return events of the entries after the first of among, up to the second."""
    return connection.execute(
        "SELECT ledger_index, kind, seq, time, mono, agent, boot, host, body, person, how, session, "  # noqa: S608 - no value
        "person_source, fingerprint, person_evidence FROM events WHERE ledger_index > ? "
        f"AND ledger_index <= ? AND received >= ? AND received < ? AND NOT contested AND ({routed.text}) "
        "ORDER BY ledger_index, seq",
        [*among, span.since, span.until, *routed.values],
    )


def _batches(
    connection: duckdb.DuckDBPyConnection, span: Span, among: tuple[int, int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the batches after the first of among, up to the second; they may be nearly as many as events."""
    cursor = connection.cursor().execute(
        "SELECT ledger_index, agent, epoch, boot, lane, seq, digest, received, sent FROM batches "
        "WHERE received >= ? AND received < ? AND ledger_index > ? AND ledger_index <= ? "
        "ORDER BY ledger_index",
        [span.since, span.until, *among],
    )
    while some := cursor.fetchmany(_BATCHES):
        yield from some


def _grouped(cursor: duckdb.DuckDBPyConnection) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in cursor.fetchall():
        found.setdefault(row[0], []).append(row)
    return found


class _Shown:
    """Makes records of rows, and tells which of them the rule wants."""

    def __init__(self, rule: Rule, site: Site, persons: dict[Session, Person]) -> None:
        self._rule, self._site, self._persons = rule, site, persons
        self._made: dict[tuple[Any, ...], Person] = {}

    def record(self, row: tuple[Any, ...], arrival: Arrival, ahead: int) -> Record | None:
        """Return the row's record, None if the rule would not be shown it."""
        index, kind, seq, time, mono, agent, boot, host, raw = row[:9]
        try:
            body: Body = _bodies[kind].decode(raw)
        except (KeyError, msgspec.DecodeError):
            return None
        if not wants(self._rule, body, self._site):
            return None
        event = Event(seq, time, mono, body)
        person = self._person(agent, boot, row[9:])
        return Record(agent, arrival.epoch, boot, host or "", index, arrival.received, event, person, ahead)

    def _person(self, agent: str, boot: str, row: tuple[Any, ...]) -> Person | None:
        name, how, number, source, fingerprint, because = row
        if name is None:
            return None
        if how in _BY_SESSION and (owner := self._persons.get((agent, boot, number))) is not None:
            return owner
        told = (name, how, number, source, fingerprint, tuple(because or ()))
        made = self._made.get(told)
        if made is None:
            made = self._made[told] = Person(*told)
        return made


def _entry(
    batch: tuple[Any, ...], rows: Sequence[tuple[Any, ...]], shown: _Shown, clocks: dict[str, skew.Clock]
) -> Entry:
    index, agent, epoch, boot, lane, seq, digest, received, sent = batch
    arrival = Arrival(agent, epoch, lane, seq, digest, "", index, received, sent)
    ahead = skew.learn(clocks, agent, boot or "", sent=sent, received=received)
    made = [one for row in rows if (one := shown.record(row, arrival, ahead)) is not None]
    return Entry(arrival, tuple(made))
