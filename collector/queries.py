"""The questions analysts ask, as SQL with parameters over the snapshot's views events, alerts and batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from . import wording
from .conditions import Where
from .errors import QueryError

_UID = re.compile(r"([0-9a-f]{32}):([0-9]{1,18}):([0-9]{1,18})")
UID = "agent || ':' || epoch || ':' || seq"
"""SQL for an event's stable name."""
_EVENT = f"{UID} AS event, * EXCLUDE (argv)"  # cmd_line shows argv, and body holds it exactly
_EVER = (1 << 63) - 1
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
_NEWEST = f"""(
    SELECT a.* REPLACE (
        CASE WHEN s.agent IS NOT NULL THEN {wording.sql("a.summary", "a", "s")} ELSE a.summary END AS summary,
        CASE WHEN s.agent IS NOT NULL THEN s.person ELSE a.person END AS person,
        CASE WHEN s.agent IS NOT NULL THEN s.how ELSE a.how END AS how,
        CASE WHEN s.agent IS NOT NULL THEN s.source ELSE a.person_source END AS person_source,
        CASE WHEN s.agent IS NOT NULL THEN s.fingerprint ELSE a.fingerprint END AS fingerprint,
        CASE WHEN s.agent IS NOT NULL THEN s.chain ELSE a.chain END AS chain
    )
    FROM (
        FROM alerts QUALIFY row_number()
            OVER (PARTITION BY rule, entity ORDER BY detected DESC, revision DESC) = 1
    ) a LEFT JOIN sessions s ON a.agent = s.agent AND a.boot = s.boot AND a.session = s.session
        AND s.person IS NOT NULL AND a.how IN ('kernel', 'hop', 'key')
)"""  # noqa: S608 - names of columns
"""SQL for the alerts that hold: the newest revision of each rule and entity, with whose session it is known
to be by now, in its sentence too. What a job or a user id shows is not the session's."""


class Query(msgspec.Struct, frozen=True):
    """A statement and the values of its question marks."""

    sql: str
    parameters: tuple[str | int, ...] = ()


LIVE = Where("staged IS NOT TRUE")
"""Alerts of rules that are not merely tried."""
STAGED = Where("staged IS TRUE")
"""Alerts of rules that are."""


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


def search(condition: Where, span: Span, limit: int) -> Query:
    """Return events that fit, newest first."""
    return _select("events", (condition, span.where()), "time DESC, agent, epoch, seq DESC", limit)


def export(condition: Where, span: Span, limit: int) -> Query:
    """Return events with all columns of the lake, oldest first."""
    where = every((condition, span.where()))
    return Query(
        f"SELECT * FROM events WHERE {where.sql} ORDER BY time, agent, epoch, seq LIMIT ?",  # noqa: S608 - no value
        (*where.parameters, limit),
    )


def timeline(condition: Where, span: Span, limit: int, *, everything: bool) -> Query:
    """Return the events of a person, host or session in order; the newest where there are more than limit."""
    kinds = Where("TRUE") if everything else Where(f"kind IN ({_marks(STORY)})", STORY)
    newest = _select("events", (condition, span.where(), kinds), "time DESC, agent, epoch, seq DESC", limit)
    return Query(f"FROM ({newest.sql}) ORDER BY time, agent, epoch, seq", newest.parameters)


def alerts(condition: Where, span: Span, limit: int) -> Query:
    """Return the newest revisions of alerts, those that fit, newest first."""
    return _select(_NEWEST, (condition, span.where()), "time DESC, id", limit, "*")


def alerts_after(condition: Where, detected: int, seen: str, limit: int) -> Query:
    """Return alerts, each revision, decided after the cursor (detected, seen), in the order of decision."""
    after = Where("(detected, id) > (?, ?)", (detected, seen))
    return _select("alerts", (condition, after), "detected, id", limit, "*")


def newest_alert() -> Query:
    """Return where a follower starts: the last decision there is."""
    return Query("SELECT detected, id FROM alerts ORDER BY detected DESC, id DESC LIMIT 1")


def alert(prefix: str) -> Query:
    """Return up to two alerts whose id, or that of an earlier revision, begins with prefix."""
    where = Where("(rule, entity) IN (SELECT (rule, entity) FROM alerts WHERE starts_with(id, ?))", (prefix,))
    return _select(_NEWEST, (where,), "id", 2, "*")


def every_alert(limit: int) -> Query:
    """Return the newest revisions of the newest alerts, low ones too, but none that is staged."""
    return _select(_NEWEST, (LIVE,), "time DESC, id", limit, "*")


def sessions_of_alerts() -> Query:
    """Return what is known by now of the sessions that alerts name."""
    return Query(
        "SELECT * FROM sessions WHERE (agent, session) IN "
        "(SELECT (agent, session) FROM alerts WHERE session IS NOT NULL) ORDER BY revised"
    )


def sessions_of(person: str, span: Span) -> Query:
    """Return the newest revisions of a person's sessions that lasted into the span, the first one first."""
    return Query(
        "SELECT * FROM (SELECT * FROM sessions QUALIFY "
        "row_number() OVER (PARTITION BY agent, boot, session ORDER BY revised DESC) = 1) "
        "WHERE person = ? AND coalesce(opened, 0) < ? AND coalesce(closed, ?) >= ? "
        "ORDER BY opened, agent, boot, session",
        (person, span.end or _EVER, _EVER, span.start or 0),
    )


def is_uid(text: str) -> bool:
    """Return whether text names an event."""
    return _UID.fullmatch(text) is not None


def around(event_row: Mapping[str, Any], kinds: Sequence[str], span: Span, limit: int) -> Query:
    """Return events of these kinds in the session of an event, or by its person on that host."""
    same = Where("session IS NOT DISTINCT FROM ?", (event_row["session"],))
    if event_row["session"] is None:
        same = Where("pid = ?", (event_row["pid"] or 0,))
    if event_row["person"] is not None:
        same = Where(f"({same.sql} OR person = ?)", (*same.parameters, event_row["person"]))
    place = Where("agent = ? AND boot = ?", (event_row["agent"], event_row["boot"]))
    wanted = Where(f"kind IN ({_marks(kinds) or 'NULL'})", tuple(kinds))
    return _select("events", (place, wanted, same, span.where()), "time, epoch, seq", limit)


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
    return _select("events", (condition,), "time, agent, epoch, seq", len(named))


def batches(entries: Sequence[int]) -> Query:
    """Return the batches that came in as these entries of the ledger."""
    marks = ", ".join("?" for _ in entries) or "NULL"
    condition = Where(f"ledger_index IN ({marks})", tuple(entries))
    what = "agent, epoch, lane, seq, digest, ledger_index, state, contested, received"
    return _select("batches", (condition,), "ledger_index", len(entries), what)


def chains() -> Query:
    """Return where each agent's lanes stand."""
    return Query(
        "SELECT agent, epoch, lane, max(seq) AS seq, count(*) AS statements, sum(events)::BIGINT AS events, "
        "max(received) AS received, arg_max(version, received) AS version, bool_or(contested) AS contested "
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
        "SELECT agent, max(received) AS received FROM events WHERE agent = ? OR host = ? "
        "GROUP BY agent ORDER BY received DESC LIMIT 5",
        (name, name),
    )


def session(agent: str, number: int, limit: int) -> Query:
    """Return an audit session's events in order, interim reports and exits left out."""
    condition = Where("agent = ? AND session = ?", (agent, number))
    return timeline(condition, Span(), limit, everything=False)


def session_flows(agent: str, number: int) -> Query:
    """Return a session's connections, each with the most bytes reported for it."""
    return Query(
        "SELECT boot, flow, any_value(direction) AS direction, any_value(protocol) AS protocol, "
        "any_value(src_ip) AS src_ip, any_value(dst_ip) AS dst_ip, any_value(dst_port) AS dst_port, "
        "any_value(name) AS name, "
        "any_value(exe) AS exe, max(bytes_out) AS bytes_out, max(bytes_in) AS bytes_in, min(time) AS time "
        "FROM events WHERE agent = ? AND session = ? AND flow IS NOT NULL "
        "GROUP BY boot, flow ORDER BY bytes_out DESC NULLS LAST LIMIT 200",
        (agent, number),
    )


def event(uid: str) -> Query:
    """Return one event."""
    return _select("events", (Where("agent = ? AND epoch = ? AND seq = ?", parse_uid(uid)),), "time", 1)


def process(agent: str, pid: int, start: int | None) -> Query:
    """Return the newest exec of a process; without start, of the newest process that had this pid."""
    same = Where("start = ?", (start,)) if start is not None else Where("TRUE")
    where = every((Where("agent = ? AND pid = ? AND kind = 'process.exec'", (agent, pid)), same))
    return _select("events", (where,), "time DESC", 1)


def relatives(agent: str, boot: str, session_number: int | None, span: Span, limit: int) -> Query:
    """Return execs, exits and closed connections among which a process's relatives are found.

    Those of its audit session where it has one; else those of the time around it.
    """
    kinds = Where("kind IN ('process.exec', 'process.exit', 'connection.close')")
    near = Where("session = ?", (session_number,)) if session_number is not None else span.where()
    return _select(
        "events", (Where("agent = ? AND boot = ?", (agent, boot)), kinds, near), "time, epoch, seq", limit
    )


def _select(table: str, conditions: Sequence[Where], order: str, limit: int, what: str = _EVENT) -> Query:
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


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)
