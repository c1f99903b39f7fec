"""The digest: by rule what was found in a time, staged rules too, against budgets and what triage found."""

from __future__ import annotations

import msgspec

from ... import alert_queries, queries
from ...rulebook import State
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..parameter import FROM, TO

_DAY = 86_400_000_000_000
_WEEK = 7 * _DAY


class Digested(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule found, live or staged: findings, and those of them that alert; labels are of triage."""

    rule: str
    staged: bool
    state: State
    findings: int
    alerts: int
    per_day: float
    persons: int
    hosts: int
    last: int
    example: str
    budget: int | None = None
    labels: dict[str, int] = {}


class Digest(msgspec.Struct, frozen=True):
    """Rules that found something in the span (UTC ns), those that alert most first."""

    since: int
    until: int
    rows: list[Digested]


def _digest(call: Call) -> msgspec.Struct | Stream:
    until = call.values["to"] if call.values["to"] is not None else call.services.clock()
    since = call.values["from"] if call.values["from"] is not None else until - _WEEK
    days = max((until - since) / _DAY, 1 / 24)
    book, standings = call.services.book(), call.services.triages.standings()
    with call.connect() as connection:
        found = call.rows(connection, alert_queries.digest(queries.Span(since, until)))
    rows = []
    for row in found:
        labels: dict[str, int] = {}
        for entity in row["entities"]:
            standing = standings.get((row["rule"], entity))
            if standing is not None and standing.label is not None:
                labels[standing.label] = labels.get(standing.label, 0) + 1
        decided = book.standings.get(row["rule"])
        rows.append(
            Digested(
                row["rule"],
                row["staged"],
                book.state(row["rule"]),
                row["findings"],
                row["alerts"],
                round(row["alerts"] / days, 2),
                row["persons"],
                row["hosts"],
                row["last"],
                row["example"],
                decided.budget if decided is not None else None,
                labels,
            )
        )
    return Digest(since, until, rows)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/digest",
        "digest",
        "What each rule found in a time, staged ones too; the last seven days unless said otherwise",
        Role.VIEWER,
        _digest,
        Digest,
        parameters=(FROM, TO),
    ),
)
