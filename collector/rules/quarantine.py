"""A rule of the site that fails on an event is put to rest: by an act, until a person makes it live. Pure."""

from __future__ import annotations

import msgspec

from evidence.kinds.collector import Act

from . import rulebook
from .budgets import AUTHOR
from .rulebook import Book
from .runaway import DECIDED_ON, decided_on

_REASON_LIMIT = 500


class Failure(msgspec.Struct, frozen=True):
    """How a rule failed first, after which decision on it."""

    decided_on: str
    reason: str


class State(msgspec.Struct):
    """By rule its first failure since something was decided on it."""

    failed: dict[str, Failure] = {}


def note(state: State, book: Book, rule: str, event: str, error: Exception) -> None:
    """Take that a rule failed on an event."""
    decided = decided_on(book, rule)
    known = state.failed.get(rule)
    if known is None or known.decided_on != decided:
        reason = f"it failed on event {event}: {type(error).__name__}: {error}"[:_REASON_LIMIT]
        state.failed[rule] = Failure(decided, reason)


def broken(state: State, book: Book) -> list[Act]:
    """Return an act for each rule that failed, and on which nothing was decided since."""
    return [
        Act(
            user=AUTHOR,
            verb=rulebook.STATE,
            object=rule,
            reason=failure.reason,
            detail={"state": "off", DECIDED_ON: failure.decided_on},
        )
        for rule, failure in state.failed.items()
        if failure.decided_on == decided_on(book, rule)
    ]
