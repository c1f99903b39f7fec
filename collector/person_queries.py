"""Questions about persons: their sessions, and what they did under any name, as SQL over the views.

Whose a session is may have become known after its events were stored: what a person did is found by the
newest revision of the sessions, not by the name that stands beside each event.
"""

from __future__ import annotations

from . import queries
from .conditions import Where
from .queries import Query, Span

_LOGINS = """(SELECT agent, split_part(uid, ':', 2)::BIGINT AS epoch, split_part(uid, ':', 3)::BIGINT AS seq,
        person, how, source, evidence, chain
    FROM (SELECT *, unnest(evidence) AS uid FROM sessions) WHERE starts_with(uid, agent || ':')
    QUALIFY row_number() OVER (PARTITION BY uid ORDER BY coalesce(length(chain), 0), session) = 1)"""
"""Events that show whose a session is, of its own host: a login names no session, which opens after it."""
_IS_KNOWN = "coalesce(s.person, l.person) IS NOT NULL AND e.how IS DISTINCT FROM 'job' AND NOT e.contested"
_NAMED = f"""(SELECT e.* REPLACE (
        CASE WHEN {_IS_KNOWN} THEN coalesce(s.person, l.person) ELSE e.person END AS person,
        CASE WHEN {_IS_KNOWN} THEN coalesce(s.how, l.how) ELSE e.how END AS how,
        CASE WHEN {_IS_KNOWN} THEN coalesce(s.source, l.source) ELSE e.person_source END AS person_source,
        CASE WHEN {_IS_KNOWN} AND coalesce(s.how, l.how) <> 'kernel'
            THEN coalesce(s.evidence, l.evidence) ELSE e.person_evidence END AS person_evidence
    ), coalesce(s.chain, l.chain) AS chain
    FROM events e
    LEFT JOIN sessions s ON e.agent = s.agent AND e.boot = s.boot AND e.session = s.session
    LEFT JOIN {_LOGINS} l ON e.kind = 'login.accepted' AND e.session IS NULL
        AND e.agent = l.agent AND e.epoch = l.epoch AND e.seq = l.seq)"""  # noqa: S608 - no value
"""Events, each with whose it is as known by now; a job's within a session may be another person's."""


def timeline(condition: Where, span: Span, limit: int, *, everything: bool) -> Query:
    """Return the events of a person, host or session in order; the newest where there are more than limit."""
    kinds = Where("TRUE") if everything else Where(f"kind IN ({_marks(len(queries.STORY))})", queries.STORY)
    where = queries.every((condition, span.where(), kinds))
    return Query(
        f"FROM (SELECT {queries.UID} AS event, * EXCLUDE (argv) FROM {_NAMED} "  # noqa: S608 - no value
        f"WHERE {where.sql} ORDER BY time DESC, agent, epoch, seq DESC LIMIT ?) "
        "ORDER BY time, agent, epoch, seq",
        (*where.parameters, limit),
    )


def session(agent: str, number: int, limit: int) -> Query:
    """Return an audit session's events in order, interim reports and exits left out."""
    return timeline(Where("agent = ? AND session = ?", (agent, number)), Span(), limit, everything=False)


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


def _marks(count: int) -> str:
    return ", ".join("?" * count)
