"""What people decided of rules: parameters set for all or for some, rules staged or off. Pure.

Each decision is an act of the collector in the ledger and holds from its entry on, so that a replay judges
every event by what was in force then. With four eyes a decision is only proposed, until another approves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from evidence.kinds.collector import Act

from ..organisation.known import Known
from ..rule import Value

Ranked = Literal["person", "group", "role", "label"]
RANKS: tuple[Ranked, ...] = ("person", "group", "role", "label")
"""Of settings that fit, the one of the first of these holds; then the newest."""
SET, UNSET, STATE = "rule.set", "rule.unset", "rule.state"
APPROVE, REJECT = "rule.approve", "rule.reject"
PROPOSED = "proposed"
"""The detail of an act that only proposes."""
SETTINGS_LIMIT = 2000
STANDINGS_LIMIT = 10_000
PROPOSALS_LIMIT = 200
State = Literal["live", "staged", "off"]
STATES: tuple[State, ...] = ("live", "staged", "off")


_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a setting is for: one of these, or everybody."""

    person: _Name | None = None
    group: _Name | None = None
    role: _Name | None = None
    label: _Name | None = None

    def given(self) -> tuple[Ranked, str] | None:
        """Return what is given, and its value; None where it is for everybody."""
        return next(((rank, one) for rank in RANKS if (one := getattr(self, rank)) is not None), None)


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter's value, who set it when (UTC ns), why, and for whom."""

    id: str
    rule: str
    name: str
    value: Value
    author: str
    reason: str
    time: int
    scope: Scope = Scope()


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether a rule alerts, is only tried, or rests; budget is the alerts a day it may give."""

    rule: str
    state: State
    author: str
    reason: str
    time: int
    budget: int | None = None


class Proposal(msgspec.Struct, frozen=True):
    """A decision that waits for another's approval."""

    id: str
    act: Act
    time: int


class Book(msgspec.Struct, frozen=True):
    """settings and proposals by id, standings by rule; of rules that nobody decided on there is nothing."""

    settings: dict[str, Setting] = {}
    standings: dict[str, Standing] = {}
    proposals: dict[str, Proposal] = {}

    def state(self, rule: str) -> State:
        """Return whether a rule is live; it is, unless somebody decided otherwise."""
        standing = self.standings.get(rule)
        return standing.state if standing is not None else "live"

    def scoped(self) -> frozenset[str]:
        """Return the rules of which a parameter is set for some only."""
        return frozenset(one.rule for one in self.settings.values() if one.scope.given() is not None)


def apply(book: Book, act: Act, time: int) -> Book:
    """Return the book after one act of the collector; the same object if it decides nothing, or is full."""
    if act.verb not in _TAKEN or not act.allowed:
        return book
    proposal = (act.detail or {}).get(PROPOSED)
    if proposal is None:
        return _TAKEN[act.verb](book, act, time)
    if len(book.proposals) >= PROPOSALS_LIMIT or act.verb in (APPROVE, REJECT):
        return book
    waiting = {**book.proposals, proposal: Proposal(proposal, act, time)}
    return msgspec.structs.replace(book, proposals=waiting)


def _approve(book: Book, act: Act, time: int) -> Book:
    """Let a proposal take effect, if it is another's; it goes on waiting where there is no room for it."""
    waiting = book.proposals.get(act.object or "")
    if waiting is None or act.user == waiting.act.user:
        return book
    left = _reject(book, act, time)
    decided = _TAKEN[waiting.act.verb](left, waiting.act, time)
    return book if decided is left else decided


def _reject(book: Book, act: Act, _time: int) -> Book:
    """Drop a proposal; who made it may do so too."""
    left = {name: one for name, one in book.proposals.items() if name != act.object}
    return book if len(left) == len(book.proposals) else msgspec.structs.replace(book, proposals=left)


def _set(book: Book, act: Act, time: int) -> Book:
    detail = act.detail or {}
    who = {"author": act.user, "reason": act.reason or "", "time": time}
    what = {"id": detail.get("id"), "rule": act.object, "name": detail.get("name")}
    scope = {rank: detail[rank] for rank in RANKS if rank in detail}
    try:
        # The value stands there as JSON, so that a list of words that looks like a number stays words.
        value = msgspec.json.decode(detail.get("value", ""), type=Value)
        made = msgspec.convert({**what, **who, "value": value, "scope": scope}, Setting)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return book
    kept = {name: one for name, one in book.settings.items() if _place(one) != _place(made)}
    if len(kept) >= SETTINGS_LIMIT:
        return book
    return msgspec.structs.replace(book, settings={**kept, made.id: made})


def _place(one: Setting) -> tuple[str, str, Scope]:
    return one.rule, one.name, one.scope


def _unset(book: Book, act: Act, _time: int) -> Book:
    unwanted = (act.detail or {}).get("id")
    left = {name: one for name, one in book.settings.items() if name != unwanted}
    return book if len(left) == len(book.settings) else msgspec.structs.replace(book, settings=left)


def _stand(book: Book, act: Act, time: int) -> Book:
    detail = act.detail or {}
    budget = detail.get("budget", "")
    said = {"rule": act.object, "state": detail.get("state"), "author": act.user, "reason": act.reason or ""}
    try:
        made = msgspec.convert({**said, "time": time, "budget": int(budget) if budget else None}, Standing)
    except (msgspec.ValidationError, ValueError):
        return book
    if made.rule not in book.standings and len(book.standings) >= STANDINGS_LIMIT:
        return book
    return msgspec.structs.replace(book, standings={**book.standings, made.rule: made})


_TAKEN: dict[str, Callable[[Book, Act, int], Book]] = {
    SET: _set,
    UNSET: _unset,
    STATE: _stand,
    APPROVE: _approve,
    REJECT: _reject,
}
Parameters = dict[str, dict[str, Value]]


def for_all(book: Book, told: Parameters) -> Parameters:
    """Return what settings files tell, with what was set for everybody on top."""
    merged = {rule: dict(own) for rule, own in told.items()}
    for one in sorted(book.settings.values(), key=lambda one: (one.time, one.id)):
        if one.scope.given() is None:
            merged.setdefault(one.rule, {})[one.name] = one.value
    return merged


def for_whom(book: Book, of_all: Parameters, known: Known, host: str, person: str | None) -> Parameters:
    """Return of_all with what was set for this person, their groups and role, and the host's labels."""
    human = known.human(person) if person is not None else None
    fits: dict[Ranked, frozenset[str]] = {
        "person": frozenset({person} if person is not None else ()),
        "group": frozenset(known.groups(person) if person is not None else ()),
        "role": frozenset({human.role} if human is not None and human.role is not None else ()),
        "label": frozenset(known.labels(host)),
    }
    merged = dict(of_all)
    settings = sorted(book.settings.values(), key=lambda one: (one.time, one.id))
    for rank in reversed(RANKS):
        for one in settings:
            given = one.scope.given()
            if given is not None and given[0] == rank and given[1] in fits[rank]:
                merged[one.rule] = {**merged.get(one.rule, {}), one.name: one.value}
    return merged
