"""The questions about audit sessions and their connections, as SQL over the snapshot's views."""

from __future__ import annotations

from collections.abc import Sequence

from .conditions import Where
from .queries import UID, Places, Query, Span, every, timeline

_EVER = (1 << 63) - 1


def sessions_of(person: str, span: Span) -> Query:
    """Return the newest revisions of a person's sessions that lasted into the span, the first one first."""
    return Query(
        "SELECT * FROM (SELECT * FROM sessions QUALIFY "
        "row_number() OVER (PARTITION BY agent, boot, session ORDER BY revised DESC) = 1) "
        "WHERE person = ? AND coalesce(opened, 0) < ? AND coalesce(closed, ?) >= ? "
        "ORDER BY opened, agent, boot, session",
        (person, span.end or _EVER, _EVER, span.start or 0),
    )


def sessions_at(places: Sequence[tuple[str, str, int]]) -> Query:
    """Return these sessions (agent, boot, number), each in its newest revision."""
    marks = ", ".join("(?, ?, ?)" for _ in places) or "(NULL, NULL, NULL)"
    return Query(
        f"SELECT * FROM sessions WHERE (agent, boot, session) IN ({marks}) ORDER BY agent, boot, session",  # noqa: S608 - no value
        tuple(value for one in places for value in one),
    )


def session(agent: str, number: int, limit: int) -> Places:
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


def flows_of(places: Sequence[tuple[str, str, int]], span: Span) -> Query:
    """Return the connections that came in to sessions (agent, boot, number), with the most told of each."""
    marks = ", ".join("(?, ?, ?)" for _ in places) or "(NULL, NULL, NULL)"
    where = every(
        (Where(f"(agent, boot, session) IN ({marks})", tuple(v for one in places for v in one)), span.where())
    )
    return Query(
        f"SELECT arg_max({UID}, coalesce(bytes_out, 0)) AS event, agent, boot, session, flow, "  # noqa: S608 - no value
        "any_value(src_ip) AS src_ip, max(bytes_out) AS bytes_out, max(bytes_in) AS bytes_in FROM events "
        f"WHERE {where.sql} AND flow IS NOT NULL AND direction = 'in' "
        "GROUP BY agent, boot, session, flow ORDER BY event",
        where.parameters,
    )
