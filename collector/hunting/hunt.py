"""Sigma rules over stored events: SQL narrows, the stream's own closures decide, so that both agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import msgspec

from evidence.event import Event

from ..organisation.known import Known, Organisation
from ..pipeline import skew
from ..record import Person, Record
from ..rule import Correlation, Finding, Site
from ..sigma.force import Decided, Force
from ..sigma.narrow import Sql, any_of, narrowed
from ..sigma.ruleset import Ruleset
from .sigma_way import body_of

_BATCH = 5000
_AFTER = 1 << 62
"""A time by which every window has settled."""
_NOTHING_SET = Site({}, Known(Organisation()))
_AS_TOLD = Decided(lambda _rule: False, lambda *_of: _NOTHING_SET)
"""Every rule as the ruleset tells it."""


class Span(msgspec.Struct, frozen=True):
    """Half-open, of the hosts' clocks, UTC ns."""

    since: int
    until: int


class Hit(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule found: of a single event, or of several that a correlation joined."""

    rule: str
    title: str
    severity: str
    time: int
    agent: str
    host: str
    summary: str
    evidence: tuple[str, ...]
    person: str | None = None
    joined: bool = False


class Hunted(msgspec.Struct, frozen=True):
    """What was found, the oldest first; how many events were looked at in full; whether there was more."""

    hits: tuple[Hit, ...]
    looked: int
    truncated: bool


def search(connection: duckdb.DuckDBPyConnection, ruleset: Ruleset, span: Span, limit: int) -> Hunted:
    """Return what the rules find in the events of a span, limit hits at most.

    A correlation gives its last word of each group. Rules that only correlations name are told as well.

    Raises:
        duckdb.Error: the lake cannot be read, or the limits of the connection do not suffice.
    """
    conditions = [sql for rule in ruleset.rules if (sql := narrowed(rule)) is not None]
    force = Force(ruleset, lambda: 0)
    hits: list[Hit] = []
    joined: dict[tuple[str, str], Hit] = {}
    looked, truncated = 0, False
    for record in _records(connection, conditions, span):
        looked += 1
        for rule, one in force.all_told(force.of(record.event.body), record, _AS_TOLD):
            if isinstance(rule, Correlation):
                joined[rule.id, one.entity] = _hit(rule, one)
            elif len(hits) < limit:
                hits.append(_hit(rule, one))
            else:
                truncated = True
    for rule, one in force.passed(_AFTER, _AS_TOLD):
        joined[rule.id, one.entity] = _hit(rule, one)
    found = sorted(
        [*hits, *list(joined.values())[:limit]], key=lambda one: (one.time, one.rule, one.evidence)
    )
    return Hunted(tuple(found), looked, truncated or len(joined) > limit)


def _hit(rule: Any, one: Finding) -> Hit:
    return Hit(
        rule=rule.id,
        title=rule.title,
        severity=rule.severity,
        time=one.time,
        agent=one.agent,
        host=one.host,
        summary=one.summary,
        evidence=one.evidence,
        person=one.person.name if one.person is not None else None,
        joined=isinstance(rule, Correlation),
    )


def _records(connection: duckdb.DuckDBPyConnection, conditions: list[Sql], span: Span) -> Iterator[Record]:
    """Yield the events that any rule may match, in the ledger's order, as the engine would see them."""
    if not conditions:
        return
    narrow = any_of(conditions)
    ahead = _clocks(connection)
    rows = connection.execute(
        "SELECT ledger_index, epoch, seq, time, mono, agent, boot, host, received, body, person, how, "  # noqa: S608 - values are apart
        "session, person_source FROM events WHERE time >= ? AND time < ? AND NOT contested "
        f"AND ({narrow.text}) ORDER BY ledger_index, seq",
        [span.since, span.until, *narrow.values],
    )
    while chunk := rows.fetchmany(_BATCH):
        for row in chunk:
            record = _record(row, ahead)
            if record is not None:
                yield record


def _record(row: tuple[Any, ...], ahead: dict[int, int]) -> Record | None:
    index, epoch, seq, time, mono, agent, boot, host, received, raw, name, how, session, source = row
    body = body_of(raw)
    if body is None:
        return None
    person = None if name is None else Person(name, how, session, source)
    event = Event(seq, time, mono, body)
    return Record(agent, epoch, boot, host or "", index, received, event, person, ahead.get(index, 0))


def _clocks(connection: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Return by ledger entry how far its host's clock was ahead (ns), found as the fold finds it."""
    clocks: dict[str, skew.Clock] = {}
    rows = connection.execute(
        "SELECT ledger_index, agent, boot, sent, received FROM batches ORDER BY ledger_index"
    ).fetchall()
    return {
        index: skew.learn(clocks, agent, boot or "", sent=sent, received=received)
        for index, agent, boot, sent, received in rows
    }
