"""What is normal for a person, a host or a pair of person and destination, and why an alert was not."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import msgspec

from ...incidents import normal, not_normal
from ...incidents.normal import Day, Hours, Peers, Place, Spread, Used
from ...incidents.not_normal import Why
from ...measures.baselines import DAY
from ...organisation.known import Known
from ...questions import alert_queries, normal_queries
from ...questions.conditions import Where
from ...questions.fetch import Row
from ...questions.queries import Query
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import FROM, TO, Parameter, limit
from .alerts import find

DAYS = 30
"""Whole days (UTC) that are looked at if nothing else is asked for."""


class Baseline(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is normal for whom it is about, from since until until (UTC ns), an alert's own day left out.

    sent is what left to outside over connections that hosts opened, fetched what left over those they
    accepted; both by day, of a pair to this destination alone. places are other ends of both.
    """

    since: int
    until: int
    active_days: int
    first: int | None
    last: int | None
    hours: Hours
    sent: Spread
    fetched: Spread
    hosts: list[Used]
    programs: list[Used]
    places: list[Place]
    person: str | None = None
    host: str | None = None
    destination: str | None = None
    persons: list[Used] = []
    peers: Peers | None = None
    why: Why | None = None
    truncated: bool = False


@dataclass(frozen=True)
class _Asked:
    """Whom it is about, in which days (UTC ns), and where to look; seen is gathered until gathered."""

    call: Call
    connection: duckdb.DuckDBPyConnection
    known: Known
    person: str | None
    host: str | None
    destination: str | None
    since: int
    until: int
    gathered: int

    def rows(self, query: Query) -> list[Row]:
        return self.call.rows(self.connection, query)


def _baseline(call: Call) -> msgspec.Struct | Stream:
    with call.connect() as connection:
        alert = _alert(call, connection)
        asked = _asked(call, connection, alert)
        days = _gather(asked)
        made = _normal(asked, [one for one in days if one.day * DAY < asked.until])
        if alert is None and made.first is None:
            about = asked.person if asked.person is not None else asked.host
            raise ApiError(404, "not_found", f"nothing of {about!r} is stored from that time")
        why = _why(asked, alert, days) if alert is not None else None
        return msgspec.structs.replace(made, why=why, truncated=len(days) >= normal_queries.ROWS_LIMIT)


def _alert(call: Call, connection: duckdb.DuckDBPyConnection) -> Row | None:
    asked = call.values["alert"]
    return None if asked is None else find(call.rows(connection, alert_queries.alert(asked)), asked, "alert")


def _asked(call: Call, connection: duckdb.DuckDBPyConnection, alert: Row | None) -> _Asked:
    """Return what is asked for.

    Raises:
        ApiError: none of alert, person and host is given, or more than one; or a destination without person.
    """
    values = call.values
    given = [name for name in ("alert", "person", "host") if values[name] is not None]
    if len(given) != 1:
        raise ApiError(400, "bad_request", "person: give one of alert, person and host", "person")
    if values["destination"] is not None and values["person"] is None:
        raise ApiError(400, "bad_request", "destination: a pair needs a person too", "destination")
    person, host, now = values["person"], values["host"], call.services.clock()
    until = values["to"] if values["to"] is not None else now
    gathered = until
    if alert is not None:
        person, host = alert["person"], alert["host"] if alert["person"] is None else None
        until = normal.day_begin(alert["time"])
        gathered = until + DAY
    since = values["from"] if values["from"] is not None else max(0, normal.day_begin(until) - DAYS * DAY)
    known = call.services.site().known
    return _Asked(
        call, connection, known, person, host, values["destination"], since, until, max(until, gathered)
    )


def _gather(asked: _Asked) -> list[Day]:
    """Gather what they did, and return the bytes by day and other end, those of peers among them."""
    asked.rows(normal_queries.gather(_who(asked), asked.since, asked.gathered))
    agents = [row["agent"] for row in asked.rows(normal_queries.named_hosts())]
    asked.rows(normal_queries.claim(agents, asked.since, asked.gathered))
    if asked.destination is not None:
        asked.rows(normal_queries.disown(asked.destination))
    return [msgspec.convert(row, Day) for row in asked.rows(normal_queries.days())]


def _who(asked: _Asked) -> Where:
    if asked.person is None:
        return normal_queries.of_host(asked.host or "")
    peers = asked.known.peers(asked.person)
    if asked.destination is None:
        return normal_queries.of_person(asked.person, peers)
    return normal_queries.of_pair(asked.person, peers, asked.destination)


def _normal(asked: _Asked, days: list[Day]) -> Baseline:
    person, until, wanted = asked.person, asked.until, asked.call.values["limit"]
    own = [one for one in days if person is None or one.person == person]
    outside = asked.known if asked.destination is None else None
    (active,) = asked.rows(normal_queries.active(person, until))
    found = [row["hour"] for row in asked.rows(normal_queries.hours(person, until))]
    return Baseline(
        since=asked.since,
        until=until,
        active_days=active["days"],
        first=active["first"],
        last=active["last"],
        hours=normal.hours(found, person, asked.known),
        sent=normal.spread(normal.by_day(own, "out", outside).values()),
        fetched=normal.spread(normal.by_day(own, "in", outside).values()),
        hosts=_used(asked, "host") if person is not None else [],
        programs=_used(asked, "exe"),
        places=normal.places(own, asked.known)[:wanted],
        person=person,
        host=asked.host,
        destination=asked.destination,
        persons=_used(asked, "person") if person is None else [],
        peers=normal.peers(person, days, asked.known, outside) if person is not None else None,
    )


def _used(asked: _Asked, column: normal_queries.Counted) -> list[Used]:
    query = normal_queries.used(column, asked.person, asked.until, asked.call.values["limit"])
    return [msgspec.convert(row, Used) for row in asked.rows(query)]


def _why(asked: _Asked, alert: Row, days: list[Day]) -> Why:
    """Return how the alert compares with the days before it."""
    person, until = asked.person, asked.until
    found = [row["hour"] for row in asked.rows(normal_queries.hours(person, until))]
    hosts = [
        msgspec.convert(row, Used) for row in asked.rows(normal_queries.used("host", person, until, 10_000))
    ]
    own = [one for one in days if person is None or one.person == person]
    made = not_normal.why(alert, own, normal.hours(found, person, asked.known), hosts, asked.known)
    if made.destination is None:
        return made
    name = not_normal.name_of(alert)
    first = asked.rows(normal_queries.first_uses(made.destination, name, asked.gathered))
    made = not_normal.with_first(made, first, person, until)
    return not_normal.with_peers(made, person, days, asked.known, until) if person is not None else made


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/baseline",
        "baseline",
        "What is normal for a person, a host or a pair, and why an alert was not; the last 30 days",
        Role.VIEWER,
        _baseline,
        Baseline,
        parameters=(
            Parameter("person", "text", "a person, as alerts name them"),
            Parameter("host", "text", "a host name, or an agent's id"),
            Parameter("destination", "text", "with person: an address or name they send to"),
            Parameter("alert", "text", "an alert's id, or its beginning: what was normal before its day"),
            FROM,
            TO,
            limit(20, 1000),
        ),
    ),
)
