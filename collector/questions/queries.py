"""The questions analysts ask, as SQL with parameters over the snapshot's views events, alerts and batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import QueryError
from ..lake import columns
from .conditions import Where

_UID = re.compile(r"([0-9a-f]{32}):([0-9]{1,18}):([0-9]{1,18})")
UID = "agent || ':' || epoch || ':' || seq"
"""SQL for an event's stable name."""
_NEWEST = "time DESC, agent, epoch, seq DESC"
_OLDEST = "time, agent, epoch, seq"
_EVENT = f"{UID} AS event, * EXCLUDE (argv)"  # cmd_line shows argv, and body holds it exactly
_STORED = ", ".join(f'"{column.name}"' for column in columns.TABLES["events"])
STORY = (
    "login.accepted",
    "login.failed",
    "login.disconnected",
    "session.open",
    "session.close",
    "privilege.sudo",
    "privilege.su",
    "identity.changed",
    "process.exec",
    "connection.open",
    "connection.close",
    "file.create",
    "file.change",
    "file.rename",
    "file.delete",
    "file.attributes",
    "file.read",
    "file.package",
    "agent.start",
    "agent.stop",
    "agent.loss",
    "collector.act",
)
"""Kinds a timeline shows; heartbeats, exits and interim reports are left out unless asked for."""


class Query(msgspec.Struct, frozen=True):
    """A statement and the values of its question marks."""

    sql: str
    parameters: tuple[str | int | list[str], ...] = ()


class Places(msgspec.Struct, frozen=True):
    """A query for where events are stored, and the order in which `at` gives them.

    With all columns asked for at once, DuckDB would read each of them for every event that a wide condition
    looks at, the bodies too: twice to ten times as much as both steps.
    """

    query: Query
    order: str


class Span(msgspec.Struct, frozen=True):
    """A half-open interval of event times, UTC ns; None is open."""

    start: int | None = None
    end: int | None = None

    def where(self) -> Where:
        """Return the condition on the column time."""
        parts: list[str] = []
        values: list[int] = []
        if self.start is not None:
            parts.append("time >= ?")
            values.append(self.start)
        if self.end is not None:
            parts.append("time < ?")
            values.append(self.end)
        return Where(" AND ".join(parts) or "TRUE", tuple(values))


def parse_uid(uid: str) -> tuple[str, int, int]:
    """Return agent, epoch and seq of an event's uid.

    Raises:
        QueryError: it is not of the form agent:epoch:seq.
    """
    match = _UID.fullmatch(uid)
    if match is None:
        raise QueryError(f"event {uid[:80]!r}: not of the form <32 hex digits>:<epoch>:<number>")
    return match[1], int(match[2]), int(match[3])


def search(condition: Where, span: Span, limit: int) -> Places:
    """Return where the events that fit are, newest first."""
    return _places((condition, span.where()), _NEWEST, limit)


def at(places: Sequence[Mapping[str, Any]], order: str) -> Query:
    """Return the events at these places, the rows of a query for such.

    A file each: of one file DuckDB reads no parts but those that have one of the rows.
    """
    files: dict[str, list[int]] = {}
    for place in places:
        files.setdefault(place["filename"], []).append(place["file_row_number"])
    parts, values = [f"SELECT {_STORED} FROM events WHERE FALSE"], list[str | int]()  # noqa: S608 - no value
    for name, numbers in files.items():
        parts.append(
            f"SELECT {_STORED} FROM read_parquet(?, hive_partitioning = false) "  # noqa: S608 - no value
            f"WHERE file_row_number IN ({_marks(numbers)})"
        )
        values += [name, *numbers]
    return Query(f"SELECT {_EVENT} FROM ({' UNION ALL '.join(parts)}) ORDER BY {order}", tuple(values))  # noqa: S608


def export(condition: Where, span: Span, limit: int) -> Query:
    """Return events with all columns of the lake, oldest first."""
    where = every((condition, span.where()))
    return Query(
        f"SELECT * FROM events WHERE {where.sql} ORDER BY time, agent, epoch, seq LIMIT ?",  # noqa: S608 - no value
        (*where.parameters, limit),
    )


def timeline(condition: Where, span: Span, limit: int, *, everything: bool) -> Places:
    """Return the events of a person, host or session in order; the newest where there are more than limit."""
    kinds = Where("TRUE") if everything else Where(f"kind IN ({_marks(STORY)})", STORY)
    return _places((condition, span.where(), kinds), _NEWEST, limit, _OLDEST)


def is_uid(text: str) -> bool:
    """Return whether text names an event."""
    return _UID.fullmatch(text) is not None


def around(event_row: Mapping[str, Any], kinds: Sequence[str], span: Span, limit: int) -> Places:
    """Return events of these kinds in the session of an event, or by its person on that host."""
    same = Where("session IS NOT DISTINCT FROM ?", (event_row["session"],))
    if event_row["session"] is None:
        same = Where("pid = ?", (event_row["pid"] or 0,))
    if event_row["person"] is not None:
        same = Where(f"({same.sql} OR person = ?)", (*same.parameters, event_row["person"]))
    place = Where("agent = ? AND boot = ?", (event_row["agent"], event_row["boot"]))
    wanted = Where(f"kind IN ({_marks(kinds) or 'NULL'})", tuple(kinds))
    return _places((place, wanted, same, span.where()), _OLDEST, limit)


def evidence(uids: Sequence[str]) -> Query:
    """Return the named events, however many; a name that is no event's is passed over."""
    named = [match for uid in uids if (match := _UID.fullmatch(uid))]
    places = ", ".join(f"('{one[1]}', {one[2]}, {one[3]})" for one in named) or "(NULL, NULL, NULL)"
    return Query(
        f"SELECT {_EVENT} FROM events "  # noqa: S608 - hex digits and numbers
        f"WHERE (agent, epoch, seq) IN (VALUES {places}) ORDER BY time, agent, epoch, seq"
    )


def events(uids: Sequence[str]) -> Query:
    """Return the named events in order of time."""
    named = [parse_uid(uid) for uid in uids]
    marks = ", ".join("(?, ?, ?)" for _ in named) or "(NULL, NULL, NULL)"
    condition = Where(f"(agent, epoch, seq) IN ({marks})", tuple(value for one in named for value in one))
    return select("events", (condition,), _OLDEST, len(named))


def batches(entries: Sequence[int]) -> Query:
    """Return the batches that came in as these entries of the ledger."""
    marks = ", ".join("?" for _ in entries) or "NULL"
    condition = Where(f"ledger_index IN ({marks})", tuple(entries))
    what = "agent, epoch, lane, seq, digest, ledger_index, state, contested, received"
    return select("batches", (condition,), "ledger_index", len(entries), what)


def chains() -> Query:
    """Return where each agent's lanes stand."""
    return Query(
        "SELECT agent, epoch, lane, max(seq) AS seq, count(*) AS statements, sum(events)::BIGINT AS events, "
        "max(received) AS received, arg_max(version, received) AS version, "
        "arg_max(contested, received) AS contested "
        "FROM batches GROUP BY agent, epoch, lane ORDER BY agent, epoch, lane"
    )


def hosts() -> Query:
    """Return each agent's newest host name, when it was last heard, and its last word about itself."""
    return Query(
        "SELECT agent, arg_max(host, received) AS host, max(time) AS time, max(received) AS received, "
        "arg_max(kind, time) FILTER (kind IN ('agent.start', 'agent.heartbeat', 'agent.stop')) AS said "
        "FROM events GROUP BY agent ORDER BY agent"
    )


def counts() -> Query:
    """Return how much the lake holds, and up to which entry and time."""
    return Query(
        "SELECT (SELECT count(*) FROM events) AS events, "
        "(SELECT count(DISTINCT (rule, entity)) FROM alerts) AS alerts, "
        "(SELECT max(ledger_index) + 1 FROM batches) AS entries, (SELECT max(time) FROM events) AS newest"
    )


def agents_named(name: str) -> Query:
    """Return the agents that have this id or host name, newest first."""
    return Query(
        "SELECT agent, max(received) AS received FROM (SELECT agent, received FROM batches WHERE agent = ? "
        "UNION ALL SELECT agent, received FROM events WHERE host = ?) "
        "GROUP BY agent ORDER BY received DESC LIMIT 5",
        (name, name),
    )


def event(uid: str) -> Places:
    """Return one event."""
    return _places((Where("agent = ? AND epoch = ? AND seq = ?", parse_uid(uid)),), _NEWEST, 1)


def process(agent: str, pid: int, start: int | None) -> Places:
    """Return the newest exec of a process; without start, of the newest process that had this pid."""
    same = Where("start = ?", (start,)) if start is not None else Where("TRUE")
    of_pid = Where("agent = ? AND pid = ? AND kind = 'process.exec'", (agent, pid))
    return _places((of_pid, same), _NEWEST, 1)


def relatives(agent: str, boot: str, session_number: int | None, span: Span, limit: int) -> Places:
    """Return execs, exits and closed connections among which a process's relatives are found.

    Those of its audit session where it has one; else those of the time around it.
    """
    kinds = Where("kind IN ('process.exec', 'process.exit', 'connection.close')")
    near = Where("session = ?", (session_number,)) if session_number is not None else span.where()
    return _places((Where("agent = ? AND boot = ?", (agent, boot)), kinds, near), _OLDEST, limit)


def _places(conditions: Sequence[Where], order: str, limit: int, told: str | None = None) -> Places:
    """Return the first limit events in this order that fit all conditions, to be given in that of told."""
    query = select("event_places", conditions, order, limit, "filename, file_row_number")
    return Places(query, told or order)


def select(table: str, conditions: Sequence[Where], order: str, limit: int, what: str = _EVENT) -> Query:
    """Return the rows of a table that fit all conditions."""
    where = every(conditions or (Where("TRUE"),))
    return Query(
        f"SELECT {what} FROM {table} WHERE {where.sql} ORDER BY {order} LIMIT ?",  # noqa: S608 - no value
        (*where.parameters, limit),
    )


def every(conditions: Sequence[Where]) -> Where:
    """Return the condition that all of the conditions hold."""
    return Where(
        " AND ".join(f"({condition.sql})" for condition in conditions),
        tuple(value for condition in conditions for value in condition.parameters),
    )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)
