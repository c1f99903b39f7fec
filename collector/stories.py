"""Incidents read from a snapshot of the lake: its rows as alerts, sessions and contributing events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from . import incidents, queries, suppression
from .alert import IF_SURE, Alert
from .incident import Incident, Seen, Session
from .organisation import Known
from .queries import Query, Span
from .record import Hop, Person, SessionRevision
from .risk import Limits
from .suppression import Suppression

Row = dict[str, Any]
Ask = Callable[[Query], list[Row]]
ALERTS_LIMIT = 50_000
"""Alerts, the newest, from which stories are made."""
_chain = msgspec.json.Decoder(tuple[Hop, ...])
_detail = msgspec.json.Decoder(dict[str, str])


def read(ask: Ask, span: Span, active: Iterable[Suppression], known: Known, limits: Limits) -> list[Incident]:
    """Return the incidents that end in the span, the newest first; what is suppressed is left out.

    Alerts before the span are read too, for a story may begin earlier.
    """
    hidden = tuple(active)

    def is_hidden(one: Alert) -> bool:
        return suppression.hiding(hidden, one, known) is not None

    alerts, sessions = _alerts(ask), _sessions(ask)
    begin, end = span.start or 0, span.end or 1 << 63
    wanted = [
        one for one in incidents.assemble(alerts, sessions, (), limits, is_hidden) if begin <= one.end < end
    ]
    uids = sorted({uid for one in wanted for uid in one.evidence})
    seen = [contributing(row) for row in ask(queries.evidence(uids))] if uids else []
    made = incidents.assemble(alerts, sessions, seen, limits, is_hidden)
    return [one for one in made if begin <= one.end < end]


def of_alert(ask: Ask, row: Row, limits: Limits) -> str | None:
    """Return the id of the incident that an alert belongs to, also of what is suppressed; None: of none."""
    own = alert(row)

    def is_other(one: Alert) -> bool:
        if own.person is None or one.person is None:
            return own.person is not one.person or own.agent != one.agent
        return own.person.name != one.person.name

    made = incidents.assemble(_alerts(ask), _sessions(ask), (), limits, is_other)
    return next((one.id for one in made if any(entry.alert == own.id for entry in one.timeline)), None)


def _alerts(ask: Ask) -> list[Alert]:
    return [alert(row) for row in ask(queries.every_alert(ALERTS_LIMIT))]


def _sessions(ask: Ask) -> list[Session]:
    return [session(row) for row in ask(queries.sessions_of_alerts())]


def alert(row: Row) -> Alert:
    """Return a row of the lake as the alert it was."""
    person = None
    if row["person"] is not None:
        chain = _chain.decode(row["chain"]) if row.get("chain") else ()
        person = Person(
            row["person"], row["how"], row["session"], row["person_source"], row["fingerprint"], (), chain
        )
    return Alert(
        row["id"],
        row["rule"],
        row["version"],
        row["severity"],
        row["title"],
        row["summary"],
        row["time"],
        row["detected"],
        row["agent"],
        row["host"],
        person,
        row["destination"],
        row["bytes_out"],
        tuple(row["evidence"] or ()),
        tuple(row["attack"] or ()),
        _details(row.get("details")),
        row["entity"] or row["id"],
        row["revision"] or 0,
        row["boot"],
    )


def _details(told: str | None) -> dict[str, str]:
    """Return of an alert's details those that a story needs."""
    return _detail.decode(told) if told and IF_SURE in told else {}


def session(row: Row) -> Session:
    """Return a row of the lake's sessions."""
    person = None
    if row["person"] is not None:
        chain = _chain.decode(row["chain"]) if row["chain"] else ()
        because = tuple(row["evidence"] or ())
        person = Person(
            row["person"], row["how"], row["session"], row["source"], row["fingerprint"], because, chain
        )
    return Session(row["agent"], row["boot"], row["session"], row["host"] or "", row["user"], person)


def of_revision(one: SessionRevision) -> Session:
    """Return a session as the engine tells it, in the form the lake gives it back."""
    person = msgspec.structs.replace(one.person, because=one.evidence, scheduler=None, key=None)
    return Session(one.agent, one.boot, one.session, one.host, one.user, person)


def contributing(row: Row) -> Seen:
    """Return a row of the lake's events as a story tells it."""
    inbound = row["direction"] == "in"
    return Seen(
        row["event"],
        row["agent"],
        row["boot"],
        row["session"],
        row["kind"],
        row["user_name"],
        row["path"],
        row["flow"],
        row["src_ip"] if inbound else row["dst_ip"],
        row["name"],
        row["bytes_out"] or 0,
        row["bytes_in"] or 0,
    )
