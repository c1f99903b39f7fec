"""Incidents read from a snapshot of the lake: its rows as alerts, sessions and contributing events."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import msgspec

from ..alert import BY, IF_SURE, OTHERS, Alert
from ..incident import Incident, Seen, Session
from ..measures.baselines import DAY, day_of
from ..organisation.known import Known
from ..questions import alert_queries, queries, session_queries
from ..questions.conditions import Where
from ..questions.queries import Query, Span
from ..record import Hop, Person, SessionRevision
from ..risk import Limits
from ..verdicts import suppression
from ..verdicts.suppression import Suppression
from ..verdicts.triage import Finding
from . import incidents, ranking

Row = dict[str, Any]
Ask = Callable[[Query], list[Row]]
ALERTS_LIMIT = 50_000
"""Alerts from which stories are made at once."""
PAST_LIMIT = 200_000
"""Findings, by rule, person and day, by which it is told how seldom they are; the newest."""
_chain = msgspec.json.Decoder(tuple[Hop, ...])
_NEEDED = tuple(f'"{one}"' for one in (IF_SURE, OTHERS, BY))
_detail = msgspec.json.Decoder(dict[str, str])


class Found(msgspec.Struct, frozen=True):
    """Incidents, the newest first; cut: of their persons not all alerts were read, the oldest are missing."""

    incidents: list[Incident]
    cut: bool = False


class Stories:
    """Incidents as a snapshot tells them; what active suppressions hide is left out."""

    def __init__(self, ask: Ask, active: Iterable[Suppression], known: Known, limits: Limits) -> None:
        self._ask, self._hiding, self._known, self._limits = ask, tuple(active), known, limits

    def ended_in(self, span: Span) -> Found:
        """Return the incidents that end in the span.

        Whose findings the span has, all of theirs are read: their stories may begin long before.
        """
        found = self._told(span.where(), span.end + incidents.GAP if span.end is not None else None)
        begin, end = span.start or 0, span.end or 1 << 63
        return self._whole(found, lambda one: begin <= one.end < end)

    def with_finding(self, found: Sequence[tuple[str, str]]) -> Found:
        """Return the incidents of those whose these findings, by rule and entity, are."""
        return self._whole(self._told(alert_queries.these(found), None), lambda _one: True)

    def weighed(self, found: Sequence[Incident], read: Container[Finding] = ()) -> list[Incident]:
        """Return incidents with how surprising they are by what was found in the days before (`ranking`).

        What of them is read, by rule and entity, adds nothing.
        """
        if not found:
            return []
        begin = (day_of(min(one.begin for one in found)) - ranking.PAST_DAYS) * DAY
        rows = self._ask(alert_queries.past(begin, max(one.end for one in found) + 1, PAST_LIMIT))
        past = (
            ranking.Past(row["rule"], row["person"], row["day"], row["bytes"], row["program"]) for row in rows
        )
        prevalence = ranking.Prevalence(past, self._known.peers)
        return [ranking.weighed(one, prevalence, read) for one in found]

    def _told(self, chosen: Where, until: int | None) -> _Read:
        rows = self._ask(alert_queries.of_stories(chosen, until, ALERTS_LIMIT + 1))
        return _Read(
            [alert(row) for row in rows[:ALERTS_LIMIT]],
            [session(row) for row in self._ask(alert_queries.sessions_of_stories(chosen, until))],
            len(rows) > ALERTS_LIMIT,
        )

    def _whole(self, told: _Read, is_wanted: Callable[[Incident], bool]) -> Found:
        """Return the wanted incidents with what their events, and the sessions on the way, say."""
        wanted = [one for one in self._assemble(told) if is_wanted(one)]
        uids = sorted({uid for one in wanted for uid in one.evidence})
        seen = [contributing(row) for row in self._ask(queries.evidence(uids))] if uids else []
        way = [one for one in wanted if any(moved.inside for moved in one.moved)]
        sessions, flows = self._way(way) if way else ([], [])
        whole = msgspec.structs.replace(told, sessions=[*sessions, *told.sessions])
        made = self._assemble(whole, [*seen, *flows])
        return Found([one for one in made if is_wanted(one)], told.cut)

    def _way(self, found: Sequence[Incident]) -> tuple[list[Session], list[Seen]]:
        """Return the sessions over which bytes may have gone on, and the connections that opened them."""
        places = sorted(
            {
                (place.agent, place.boot, place.session)
                for one in found
                for place in one.places
                if place.boot is not None and place.session is not None
            }
        )
        day = incidents.GAP
        span = Span(min(one.begin for one in found) - day, max(one.end for one in found) + day)
        return (
            [session(row) for row in self._ask(session_queries.sessions_at(places))],
            [_came_in(row) for row in self._ask(session_queries.flows_of(places, span))],
        )

    def _assemble(self, told: _Read, seen: Iterable[Seen] = ()) -> tuple[Incident, ...]:
        return incidents.assemble(told.alerts, told.sessions, seen, self._limits, self._is_hidden)

    def _is_hidden(self, one: Alert) -> bool:
        return bool(self._hiding) and suppression.hiding(self._hiding, one, self._known) is not None


class _Read(msgspec.Struct, frozen=True):
    """What was read for stories: alerts and their sessions; cut: there are more alerts."""

    alerts: list[Alert]
    sessions: list[Session]
    cut: bool


def of_alert(ask: Ask, row: Row, known: Known, limits: Limits) -> str | None:
    """Return the id of the incident that an alert belongs to, also of what is suppressed; None: of none."""
    found = Stories(ask, (), known, limits).with_finding([(row["rule"], row["entity"] or row["id"])])
    return next(
        (one.id for one in found.incidents if any(entry.alert == row["id"] for entry in one.timeline)), None
    )


def _came_in(row: Row) -> Seen:
    return Seen(
        row["event"],
        row["agent"],
        row["boot"],
        row["session"],
        flow=row["flow"],
        remote=row["src_ip"],
        bytes_out=row["bytes_out"] or 0,
        bytes_in=row["bytes_in"] or 0,
    )


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
    return _detail.decode(told) if told and any(one in told for one in _NEEDED) else {}


def session(row: Row) -> Session:
    """Return a row of the lake's sessions."""
    person = None
    if row["person"] is not None:
        chain = _chain.decode(row["chain"]) if row["chain"] else ()
        because = tuple(row["evidence"] or ())
        person = Person(
            row["person"], row["how"], row["session"], row["source"], row["fingerprint"], because, chain
        )
    place = (row["agent"], row["boot"], row["session"], row["host"] or "")
    return Session(*place, row["user"], person, row["login_source"])


def of_revision(one: SessionRevision) -> Session:
    """Return a session as the engine tells it, in the form the lake gives it back."""
    person = msgspec.structs.replace(one.person, because=one.evidence, scheduler=None, key=None)
    return Session(one.agent, one.boot, one.session, one.host, one.user, person, one.source)


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
