"""Questions about what is normal, as SQL: what somebody did is gathered once, then counted in several ways.

Bodies are not read but for names that a client only claimed: most of an event is its body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .conditions import Where
from .queries import Query

ROWS_LIMIT = 100_000
"""Days by other end that are counted, the largest first."""
Counted = Literal["host", "person", "exe"]
_FLOWS = "('connection.close', 'connection.report')"
_OWNER = (
    "CASE WHEN s.person IS NOT NULL AND coalesce(e.how, 'kernel') IN ('kernel', 'hop', 'key') "
    "THEN s.person ELSE e.person END"
)
_JOINED = (
    "events e LEFT JOIN (FROM sessions WHERE person IS NOT NULL) s "
    "ON e.agent = s.agent AND e.boot = s.boot AND e.session = s.session"
)
_REMOTE = "CASE WHEN e.direction = 'in' THEN e.src_ip ELSE e.dst_ip END"
_DAY = 86_400_000_000_000
_HOUR = 3_600_000_000_000


def of_person(person: str, peers: Sequence[str]) -> Where:
    """Return the condition for all that a person did, and for the flows of their peers."""
    names = ", ".join("?" for _ in peers) or "NULL"
    return Where(f"({_OWNER} = ? OR (e.kind IN {_FLOWS} AND {_OWNER} IN ({names})))", (person, *peers))


def of_pair(person: str, peers: Sequence[str], destination: str) -> Where:
    """Return the condition for flows of a person, and of their peers, with an address or name."""
    names = ", ".join("?" for _ in (person, *peers))
    return Where(
        f"e.kind IN {_FLOWS} AND ({_REMOTE} = ? OR e.name = ?) AND {_OWNER} IN ({names})",
        (destination, destination, person, *peers),
    )


def of_host(host: str) -> Where:
    """Return the condition for all that happened on a host, by its name or its agent's id."""
    return Where("(e.host = ? OR e.agent = ?)", (host, host))


def gather(who: Where, since: int, until: int) -> Query:
    """Return the statement that puts what they did from since until until into the connection's table seen.

    A host may claim any time: none is later than the collector took the event in.
    """
    where = f"e.time >= ? AND e.time < ? AND e.contested IS NOT TRUE AND {who.sql}"
    return Query(
        f"CREATE TEMP TABLE seen AS SELECT {_OWNER} AS person, e.how, e.agent, e.boot, e.host, e.kind, "  # noqa: S608 - no value
        f"least(e.time, e.received) AS time, e.exe, e.direction, e.protocol, e.flow, {_REMOTE} AS remote, "
        f"e.name, e.bytes_out, e.bytes_in, e.duration FROM {_JOINED} WHERE {where}",
        (since, until, *who.parameters),
    )


def named_hosts() -> Query:
    """Return the agents on which a gathered flow has a name."""
    return Query(f"SELECT DISTINCT agent FROM seen WHERE kind IN {_FLOWS} AND name IS NOT NULL")  # noqa: S608 - no value


def claim(agents: Sequence[str], since: int, until: int) -> Query:
    """Return the statement that makes the table claimed: flows whose name the client itself told."""
    marks = ", ".join("?" for _ in agents) or "NULL"
    return Query(
        "CREATE TEMP TABLE claimed AS SELECT DISTINCT agent, boot, protocol, flow FROM events "  # noqa: S608 - no value
        f"WHERE time >= ? AND time < ? AND agent IN ({marks}) AND kind IN {_FLOWS} AND name IS NOT NULL "
        "AND contains(body, '\"named_by\"')",
        (since, until, *agents),
    )


def disown(destination: str) -> Query:
    """Return the statement that takes flows out of seen of which only the client says they went there."""
    return Query(
        "DELETE FROM seen WHERE remote IS DISTINCT FROM ? "
        "AND (agent, boot, protocol, flow) IN (FROM claimed)",
        (destination,),
    )


def days() -> Query:
    """Return bytes by person, day, direction and other end; each flow counts once, on the day it began."""
    return Query(
        f"WITH flows AS (SELECT person, agent, boot, protocol, flow, direction, min(remote) AS address, "  # noqa: S608 - no value
        "max(name) AS name, max(bytes_out) AS bytes_out, max(bytes_in) AS bytes_in, "
        f"min(time - coalesce(duration, 0)) AS first, max(time) AS last FROM seen WHERE kind IN {_FLOWS} "
        "AND direction IS NOT NULL AND remote IS NOT NULL GROUP BY ALL) "
        f"SELECT person, first // {_DAY} AS day, direction, address, "
        "CASE WHEN c.flow IS NULL THEN coalesce(name, address) ELSE address END AS name, "
        'coalesce(sum(bytes_out), 0)::BIGINT AS "out", coalesce(sum(bytes_in), 0)::BIGINT AS "into", '
        "min(first) AS first, max(last) AS last "
        "FROM flows LEFT JOIN claimed c USING (agent, boot, protocol, flow) "
        "GROUP BY ALL ORDER BY sum(bytes_out) DESC NULLS LAST LIMIT ?",
        (ROWS_LIMIT,),
    )


def hours(person: str | None, until: int) -> Query:
    """Return the hours (since 1970) with activity of a person, or of anybody; jobs run by themselves."""
    who = _whose(person, until)
    return Query(
        f"SELECT DISTINCT time // {_HOUR} AS hour FROM seen WHERE {who.sql} "  # noqa: S608 - no value
        "AND person IS NOT NULL AND how IS DISTINCT FROM 'job'",
        who.parameters,
    )


def used(column: Counted, person: str | None, until: int, limit: int) -> Query:
    """Return the values of a column of seen before until: on how many days, how often, first and last.

    Of exe only what was executed counts, unless only flows were gathered.
    """
    who = _whose(person, until)
    executed = "AND (kind = 'process.exec' OR NOT EXISTS (FROM seen WHERE kind = 'process.exec'))"
    only = executed if column == "exe" else ""
    return Query(
        f"SELECT {column} AS name, count(DISTINCT time // {_DAY}) AS days, count(*) AS events, "  # noqa: S608 - no value
        "min(time) AS first, max(time) AS last FROM seen "
        f"WHERE {who.sql} AND {column} IS NOT NULL {only} "
        "GROUP BY ALL ORDER BY days DESC, events DESC, name LIMIT ?",
        (*who.parameters, limit),
    )


def active(person: str | None, until: int) -> Query:
    """Return on how many days before until there was anything, and when first and last."""
    who = _whose(person, until)
    return Query(
        f"SELECT count(DISTINCT time // {_DAY}) AS days, min(time) AS first, max(time) AS last "  # noqa: S608 - no value
        f"FROM seen WHERE {who.sql}",
        who.parameters,
    )


def _whose(person: str | None, until: int) -> Where:
    """Return the condition on seen for a person, or for everybody, before until (UTC ns)."""
    if person is None:
        return Where("time < ?", (until,))
    return Where("time < ? AND person = ?", (until, person))


def first_uses(address: str, name: str | None, until: int) -> Query:
    """Return by person when an address was first used in all that is stored, before until (UTC ns).

    name is one that an answer of DNS gave, so that another address of it counts too.
    """
    at = (
        Where(f"({_REMOTE} = ? OR e.name = ?)", (address, name))
        if name
        else Where(f"{_REMOTE} = ?", (address,))
    )
    return Query(
        f"SELECT {_OWNER} AS person, min(least(e.time, e.received)) AS first FROM {_JOINED} "  # noqa: S608 - no value
        f"WHERE e.kind IN {_FLOWS} AND e.time < ? AND {at.sql} GROUP BY ALL ORDER BY first",
        (until, *at.parameters),
    )
