"""Alert budgets: what rules alerted of within a day, and the act that stages one that broke its own. Pure.

The act is recorded in the ledger like a person's and takes effect there, so a replay stages the rule at the
same entry. Only rules that a person gave a budget can break one.
"""

from __future__ import annotations

import bisect

import msgspec

from evidence.kinds.collector import Act

from ..alert import Alert
from . import rulebook
from .rulebook import Book

AUTHOR = "vedette-collector"
"""Who stages a rule that broke its budget: nobody logs in for that."""
DAY = 86_400_000_000_000
_KEPT = 100_001
"""Alerts of a rule that are counted at most: one more than any budget."""
_ALERTING = frozenset({"medium", "high", "critical"})


class State(msgspec.Struct):
    """When alerts of rules with a budget were first told (collector's clock, UTC ns), the oldest first."""

    told: dict[str, list[int]] = {}


def count(state: State, book: Book, alert: Alert, now: int) -> None:
    """Take an alert that is told now; revisions, low ones, and rules without a budget do not count."""
    standing = book.standings.get(alert.rule)
    if standing is None or standing.budget is None or standing.state != "live":
        state.told.pop(alert.rule, None)
    elif alert.revision == 0 and alert.severity in _ALERTING:
        told = state.told.setdefault(alert.rule, [])
        bisect.insort(told, now)
        del told[: max(bisect.bisect_right(told, now - DAY), len(told) - _KEPT)]


def broken(state: State, book: Book, now: int) -> list[Act]:
    """Return an act for each live rule that alerted of more within 24 hours than its budget allows."""
    acts: list[Act] = []
    for rule, told in state.told.items():
        standing = book.standings.get(rule)
        within = sum(now - at < DAY for at in told)
        if (
            standing is None
            or standing.state != "live"
            or standing.budget is None
            or within <= standing.budget
        ):
            continue
        reason = f"{within} alerts within 24 hours, its budget is {standing.budget}"
        detail = {"state": "staged", "budget": str(standing.budget)}
        acts.append(Act(user=AUTHOR, verb=rulebook.STATE, object=rule, reason=reason, detail=detail))
    return acts
