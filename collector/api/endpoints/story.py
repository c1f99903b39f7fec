"""What happened in order: a timeline, one session, and the tree around a process."""

from __future__ import annotations

from typing import Any

import msgspec

from ...questions import fetch, person_queries, process_tree, queries, session_queries
from ...questions.conditions import Where
from ...users import Role
from ..endpoint import Call, Endpoint, Rows, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter, limit

RELATIVES_LIMIT = 20_000
"""Events read for one tree."""
_AROUND = 3600 * 10**9
"""ns before and after a process without an audit session in which its relatives are looked for."""
_BIGGEST = (1 << 63) - 1


class Session(msgspec.Struct, frozen=True):
    """One audit session: its events in order, and its connections with the bytes of each.

    known is what is known of whose it is, with the chain that led to it: one for each boot with that number.
    """

    agent: str
    session: int
    events: list[dict[str, Any]]
    flows: list[dict[str, Any]]
    truncated: bool
    known: list[dict[str, Any]] = []


class Tree(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tree around a process, and where it ran; truncated when more relatives exist than were read."""

    agent: str
    host: str | None
    boot: str
    root: process_tree.Process
    truncated: bool = False


def _timeline(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    parts, person = [], values["person"]
    if values["host"]:
        parts.append(Where("(host = ? OR agent = ?)", (values["host"],) * 2))
    if not parts and not person:
        raise ApiError(400, "bad_request", "person: give a person, a host, or both", "person")
    if values["session"] is not None:
        parts.append(Where("session = ?", (values["session"],)))
    span = queries.Span(values["from"], values["to"])
    with call.connect() as connection:
        if person:
            own = call.rows(connection, person_queries.sessions(person, span, person_queries.SESSIONS_LIMIT))
            parts.append(person_queries.did(person, own))
        places = queries.timeline(queries.every(parts), span, wanted + 1, everything=values["all"])
        found = call.events(connection, places)
        named = _named(call, connection, found[-wanted:])
    if person:
        named = [row for row in named if person in (row["person"], row["person"] or row["login"])]
    return Rows([fetch.plain(row) for row in named], len(found) > wanted)


def _named(call: Call, connection: Any, rows: list[fetch.Row]) -> list[fetch.Row]:
    """Return events with whose they are by now."""
    return person_queries.named(rows, call.rows(connection, person_queries.sessions_of(rows)))


def _session(call: Call) -> msgspec.Struct | Stream:
    values, wanted = call.values, call.values["limit"]
    with call.connect() as connection:
        agent = _agent(call.rows(connection, queries.agents_named(values["agent"])), values["agent"])
        events = call.events(connection, session_queries.session(agent, values["session"], wanted + 1))
        flows = call.rows(connection, session_queries.session_flows(agent, values["session"]))
        known = call.rows(connection, person_queries.known(agent, values["session"]))
        events = _named(call, connection, events)
    if not events:
        raise ApiError(
            404, "not_found", f"session: {values['agent']} has no session {values['session']}", "session"
        )
    return Session(
        agent,
        values["session"],
        [fetch.plain(row) for row in events[-wanted:]],
        [fetch.plain(row) for row in flows],
        len(events) > wanted,
        [fetch.plain(row) for row in known],
    )


def _tree(call: Call) -> msgspec.Struct | Stream:
    with call.connect() as connection:
        row = _process(call, connection)
        moment = row["time"]
        span = queries.Span(max(0, moment - _AROUND), moment + _AROUND)
        kin = queries.relatives(row["agent"], row["boot"], row["session"], span, RELATIVES_LIMIT + 1)
        rows = call.events(connection, kin)
    root = process_tree.build(_with(rows, row), (row["pid"], row["start"]))
    if root is None:
        raise ApiError(404, "not_found", "event: nothing is known of its process", "event")
    return Tree(row["agent"], row["host"], row["boot"], root, len(rows) > RELATIVES_LIMIT)


def _with(rows: list[fetch.Row], row: fetch.Row) -> list[fetch.Row]:
    """Return rows and row, once; row may lie beyond the limit of what was read."""
    return rows if any(other["event"] == row["event"] for other in rows) else [*rows, row]


def _process(call: Call, connection: Any) -> fetch.Row:
    """Return the event whose process is asked for."""
    values = call.values
    if values["event"]:
        found = call.events(connection, queries.event(values["event"]))
        if not found:
            raise ApiError(404, "not_found", f"event: there is no event {values['event']}", "event")
        if found[0]["pid"] is None:
            raise ApiError(404, "not_found", f"event: {values['event']} names no process", "event")
        return found[0]
    if not values["agent"] or values["pid"] is None:
        raise ApiError(400, "bad_request", "event: give an event, or agent and pid", "event")
    agent = _agent(call.rows(connection, queries.agents_named(values["agent"])), values["agent"])
    found = call.events(connection, queries.process(agent, values["pid"], values["start"]))
    if not found:
        raise ApiError(
            404, "not_found", f"pid: {values['agent']} executed nothing as pid {values['pid']}", "pid"
        )
    return found[0]


def _agent(found: list[fetch.Row], asked: str) -> str:
    """Return the one agent with that id or host name; a host name may belong to several."""
    if not found:
        raise ApiError(
            404, "not_found", f"agent: no agent or host {asked!r}; `vedette status` lists them", "agent"
        )
    if len(found) > 1:
        ids = ", ".join(row["agent"] for row in found)
        raise ApiError(
            400, "ambiguous", f"agent: {asked!r} is the host name of several agents: {ids}", "agent"
        )
    agent: str = found[0]["agent"]
    return agent


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/timeline",
        "timeline",
        "What a person did, or what happened on a host, in order",
        Role.VIEWER,
        _timeline,
        Rows,
        parameters=(
            Parameter("person", "text", "the person"),
            Parameter("host", "text", "host name or agent id"),
            Parameter("session", "integer", "audit session, with a host", high=_BIGGEST),
            Parameter("all", "flag", "also exits, heartbeats and interim reports", default=False),
            FROM,
            TO,
            limit(500, 10_000),
        ),
    ),
    Endpoint(
        "GET",
        "/v1/session",
        "session",
        "One audit session with its connections",
        Role.VIEWER,
        _session,
        Session,
        parameters=(
            Parameter("agent", "text", "agent id or host name", required=True),
            Parameter("session", "integer", "audit session", required=True, high=_BIGGEST),
            limit(2000, 10_000),
        ),
        object="session",
    ),
    Endpoint(
        "GET",
        "/v1/tree",
        "tree",
        "The process tree around an event's process",
        Role.VIEWER,
        _tree,
        Tree,
        parameters=(
            Parameter("event", "text", "the event, agent:epoch:seq"),
            Parameter("agent", "text", "agent id or host name"),
            Parameter("pid", "integer", "process id", high=1 << 32),
            Parameter("start", "integer", "the process's start, ns since boot", high=_BIGGEST),
        ),
        object="event",
    ),
)
