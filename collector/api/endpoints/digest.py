"""The digest: by rule what was found in a time, staged rules too, against budgets and what triage found."""

from __future__ import annotations

import duckdb
import msgspec

from ...questions import alert_queries, queries
from ...questions.fetch import Row
from ...rules.rulebook import Book, State
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..parameter import FROM, TO

_DAY = 86_400_000_000_000
_WEEK = 7 * _DAY
_Labels = dict[tuple[str, bool], dict[str, int]]


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
    book, span = call.services.book(), queries.Span(since, until)
    with call.connect() as connection:
        found = call.rows(connection, alert_queries.digest(span))
        labels = _labels(call, connection, span)
    return Digest(since, until, [_row(one, book, labels, days) for one in found])


def _labels(call: Call, connection: duckdb.DuckDBPyConnection, span: queries.Span) -> _Labels:
    """Return by rule, and whether it was staged, how many findings got which label."""
    standings = call.services.triages.standings()
    given = {finding: str(one.label) for finding, one in standings.items() if one.label is not None}
    found: _Labels = {}
    for row in call.rows(connection, alert_queries.labelled(span, given)):
        found.setdefault((row["rule"], row["staged"]), {})[row["label"]] = row["findings"]
    return found


def _row(found: Row, book: Book, labels: _Labels, days: float) -> Digested:
    rule, decided = found["rule"], book.standings.get(found["rule"])
    return Digested(
        rule,
        found["staged"],
        book.state(rule),
        found["findings"],
        found["alerts"],
        round(found["alerts"] / days, 2),
        found["persons"],
        found["hosts"],
        found["last"],
        found["example"],
        decided.budget if decided is not None else None,
        labels.get((rule, found["staged"]), {}),
    )


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
