"""Which rules of Sigma or the site take so much of the pipeline's time, for so long, that they rest. Pure.

What is decided is an act, recorded in the ledger like a person's, and holds from its entry on; what was
measured is not part of the engine's state, so a replay agrees. Our own detections are never put to rest by
their cost: whoever makes one slow would blind us. Only a person makes such a rule live again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.collector import Act

from . import rulebook
from .budgets import AUTHOR
from .costs import RuleCost
from .rulebook import Book

PARTS = 5
"""The while is cut into so many parts, and a rule must be over its share in each: a burst is no runaway."""
DECIDED_ON = "decided_on"
"""The detail that names the decision that held when the rule was measured: its UTC ns, empty for none."""
_SECOND = 1_000_000_000


class _Streak(msgspec.Struct):
    """Since when (ns) a rule was over its share in each part, what it had spent then, and how many parts."""

    decided_on: str
    since: int
    spent: int
    parts: int = 0


class Watch:
    """Looks at what rules spent, part by part. Times are ns of a clock that only goes on."""

    def __init__(self, share: float, seconds: float, now: int, rules: Iterable[RuleCost] = ()) -> None:
        """Take the share of all time from 0 to 1 that a rule may take, and for how long it may be over it.

        What rules had spent by now does not count.
        """
        self._share, self._seconds = share, seconds
        self._part = max(1, int(seconds * _SECOND) // PARTS)
        self._begun = now
        self._spent = _spent(rules)
        self._streaks: dict[str, _Streak] = {}
        self._asked: dict[str, str] = {}

    @property
    def every(self) -> float:
        """Seconds of a part: to look more seldom makes the while longer."""
        return self._part / _SECOND

    def look(self, now: int, rules: Iterable[RuleCost], book: Book) -> list[Act]:
        """Return an act for each rule to be put to rest by now; each once for each decision on it."""
        length = now - self._begun
        if length < self._part:
            return []
        spent = _spent(rules)
        over: dict[str, _Streak] = {}
        for rule, total in spent.items():
            before = self._spent.get(rule, 0)
            if total - before > self._share * length and book.state(rule) != "off":
                over[rule] = self._longer(rule, before, decided_on(book, rule))
        self._spent, self._streaks, self._begun = spent, over, now
        return [
            self._act(rule, streak, (spent[rule] - streak.spent) / (now - streak.since))
            for rule, streak in over.items()
            if streak.parts >= PARTS and self._asked.get(rule) != streak.decided_on
        ]

    def _longer(self, rule: str, before: int, decided_on: str) -> _Streak:
        """Return the rule's streak with the part that ends now; another decision begins a new one."""
        streak = self._streaks.get(rule)
        if streak is None or streak.decided_on != decided_on:
            streak = _Streak(decided_on, self._begun, before)
        streak.parts += 1
        return streak

    def _act(self, rule: str, streak: _Streak, share: float) -> Act:
        self._asked[rule] = streak.decided_on
        reason = (
            f"its cost was {share:.0%} of the pipeline's time for {self._seconds:.0f} s or longer, "
            f"more than {self._share:.0%}"
        )
        detail = {"state": "off", DECIDED_ON: streak.decided_on}
        return Act(user=AUTHOR, verb=rulebook.STATE, object=rule, reason=reason, detail=detail)

    def forget(self, act: Act) -> None:
        """Take that an act could not be recorded: it is asked for again if the rule goes on like this."""
        self._asked.pop(act.object or "", None)


def _spent(rules: Iterable[RuleCost]) -> dict[str, int]:
    """Return by rule of Sigma or the site what it has spent so far; none of our own are looked at."""
    return {one.rule: one.total for one in rules if one.sigma or one.site}


def is_stale(book: Book, act: Act) -> bool:
    """Return whether something else was decided on the rule after an act was made: it decides nothing."""
    if act.user != AUTHOR or act.detail is None or DECIDED_ON not in act.detail:
        return False
    return act.detail[DECIDED_ON] != decided_on(book, act.object or "")


def decided_on(book: Book, rule: str) -> str:
    """Return when something was decided on a rule last (UTC ns), empty for never."""
    standing = book.standings.get(rule)
    return "" if standing is None else str(standing.time)
