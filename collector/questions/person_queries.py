"""Questions about persons: their sessions, and what they did under any name, as SQL over the views.

Whose a session is may have become known after its events were stored: what a person did is found by the
newest revision of the sessions, not by the name that stands beside each event. Sessions are asked for first,
and events by them: a join of both would read every event whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import queries
from .conditions import Where
from .queries import Query, Span

SESSIONS_LIMIT = 2000
"""Sessions of a person whose events are looked for."""
_LOGIN = "login.accepted"
Row = Mapping[str, Any]


def known(agent: str, number: int) -> Query:
    """Return what is known of an audit session, in each boot that had one of this number; newest first."""
    return Query(
        "SELECT * FROM sessions WHERE agent = ? AND session = ? ORDER BY revised DESC LIMIT 5",
        (agent, number),
    )


def sessions(person: str, span: Span, limit: int) -> Query:
    """Return a person's sessions on all hosts, oldest first; the newest where there are more than limit.

    A session is within a span when any part of it is; one whose end is not known may still last.
    """
    parts = [Where("person = ?", (person,))]
    if span.start is not None:
        parts.append(Where("coalesce(closed, greatest(revised, ?)) >= ?", (span.start, span.start)))
    if span.end is not None:
        parts.append(Where("coalesce(opened, revised) < ?", (span.end,)))
    where = queries.every(parts)
    return Query(
        f"FROM (SELECT * FROM sessions WHERE {where.sql} "  # noqa: S608 - no value
        "ORDER BY coalesce(opened, revised) DESC, agent, session LIMIT ?) "
        "ORDER BY coalesce(opened, revised), agent, session",
        (*where.parameters, limit),
    )


def did(person: str, own: Sequence[Row]) -> Where:
    """Return the condition of what a person did: by the name stored, or in one of their own sessions."""
    parts = ["person = ?", "(person IS NULL AND login = ?)"]
    values: list[str | int] = [person, person]
    if own:
        parts.append(f"(agent, boot, session) IN ({', '.join(['(?, ?, ?)'] * len(own))})")
        values += [value for row in own for value in (row["agent"], row["boot"], row["session"])]
    logins = [queries.parse_uid(uid) for row in own for uid in _logins(row)]
    if logins:
        marks = ", ".join(["(?, ?, ?)"] * len(logins))
        parts.append(f"(kind = '{_LOGIN}' AND (agent, epoch, seq) IN ({marks}))")
        values += [value for login in logins for value in login]
    return Where(f"({' OR '.join(parts)})", tuple(values))


def sessions_of(rows: Sequence[Row]) -> Query:
    """Return what is known of the sessions of events, and of those that logins among them opened."""
    keys = {(row["agent"], row["boot"], row["session"]) for row in rows if row["session"] is not None}
    logins = [row["event"] for row in rows if row["session"] is None and row["kind"] == _LOGIN]
    marks = ", ".join(["(?, ?, ?)"] * len(keys)) or "(NULL, NULL, NULL)"
    uids = ", ".join("?" * len(logins))
    return Query(
        f"SELECT * FROM sessions WHERE (agent, boot, session) IN ({marks}) "  # noqa: S608 - no value
        f"OR list_has_any(evidence, [{uids}]::VARCHAR[]) "
        "ORDER BY coalesce(length(chain), 0) DESC, session DESC",
        (*(value for key in sorted(keys) for value in key), *logins),
    )


def named(rows: Iterable[Row], found: Sequence[Row]) -> list[dict[str, Any]]:
    """Return events, each with whose it is by now; a job's within a session may be another person's."""
    by_key = {(row["agent"], row["boot"], row["session"]): row for row in found}
    by_login = {uid: row for row in found for uid in _logins(row)}
    return [
        _named(row, by_key.get((row["agent"], row["boot"], row["session"])) or by_login.get(row["event"]))
        for row in rows
    ]


def _named(row: Row, session: Row | None) -> dict[str, Any]:
    if session is None or row["how"] == "job" or row["contested"]:
        return dict(row)
    evidence = row["person_evidence"] if session["how"] == "kernel" else session["evidence"]
    return {
        **row,
        "person": session["person"],
        "how": session["how"],
        "person_source": session["source"],
        "person_evidence": evidence,
        "chain": session["chain"],
    }


def _logins(session: Row) -> list[str]:
    """Return the events of a session's own host that show whose it is, its login among them."""
    return [uid for uid in session["evidence"] or () if uid.startswith(f"{session['agent']}:")]
