"""Which incidents to read first: by how seldom what was found is found, learnt from findings alone. Pure.

A finding is worth its surprise: minus log2 of the part of person-days on which the same rule finds so much or
more, with the same program where it tells one: uploads are usual, yet none with a cloud's client may be. That
part is estimated from the days before: of this person, drawn towards that of those who do the same work, and
theirs towards that of everybody, so that a few days prove little. No label, and no rule's severity, is needed
for it. All in integers: surprise is in thousandths of a bit.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import msgspec

from .. import risk
from ..incident import Incident, Surprise, rank
from ..measures.baselines import day_of, doublings
from ..verdicts.triage import Finding

PAST_DAYS = 30
"""Days before a finding that tell how seldom it is."""
OWN, SAME = 20, 50
"""Person-days of history at which somebody's own counts as much as that of those who do the same work, and
theirs as much as that of everybody. Chosen on generated months (docs/insider.md)."""
_PARTS = 1_000_000_000
"""Rates are in parts of this."""
_ASIDE = frozenset({risk.RULE.id})
"""A rule that adds up others says nothing of its own."""
Peers = Callable[[str], Iterable[str]]


class Past(msgspec.Struct, frozen=True, gc=False):
    """The most that a rule found of a person on a day of UTC: bytes, else 0, and by which program."""

    rule: str
    person: str
    day: int
    bytes: int
    by: str = ""


class Prevalence:
    """How often each rule found how much, by person and day."""

    def __init__(self, past: Iterable[Past], peers: Peers) -> None:
        """Take what was found, in any order; peers gives the others who do the same work as a person."""
        most: dict[tuple[str, str, str, int], int] = {}
        for one in past:
            key = (one.rule, one.by, one.person, one.day)
            most[key] = max(most.get(key, 0), one.bytes)
        self._by_rule: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        for (rule, by, person, day), count in most.items():
            self._by_rule.setdefault((rule, by), []).append((day, count, person))
        for found in self._by_rule.values():
            found.sort()
        self._active: dict[int, set[str]] = {}
        for _, _, person, day in most:
            self._active.setdefault(day, set()).add(person)
        self._windows: dict[int, tuple[int, frozenset[str]]] = {}
        self._peers = peers

    def surprise(self, rule: str, person: str, day: int, count: int, by: str = "") -> Surprise:
        """Return how seldom a rule finds so many bytes or more of this person, by the days before day.

        by is the program that sent them, where the rule tells one: only what was sent with it counts.
        """
        days, everybody = self._window(day)
        peers = everybody.intersection(self._peers(person)) - {person}
        own = same = others = 0
        for other in self._found((rule, by), day, count):
            if other == person:
                own += 1
            else:
                others += 1
                same += other in peers
        people = len(everybody - {person})
        rate = _PARTS * (2 * others + 1) // (2 * (days * people + 1))
        rate = (same * _PARTS + SAME * rate) // (days * len(peers) + SAME)
        rate = (own * _PARTS + OWN * rate) // (days + OWN)
        bits = doublings(_PARTS) - doublings(max(rate, 1))
        return Surprise(rule, max(bits, 0), count, own, days, same, others, people, by=by)

    def _window(self, day: int) -> tuple[int, frozenset[str]]:
        """Return on how many of the days before day anything was found, and of whom."""
        if day not in self._windows:
            found = [people for at, people in self._active.items() if day - PAST_DAYS <= at < day]
            self._windows[day] = len(found), frozenset().union(*found)
        return self._windows[day]

    def _found(self, what: tuple[str, str], day: int, count: int) -> Iterator[str]:
        """Yield whose each of the days before day was on which so much was found."""
        found = self._by_rule.get(what, [])
        begin, end = (bisect.bisect_left(found, (at,)) for at in (day - PAST_DAYS, day))
        return (person for _, most, person in found[begin:end] if most >= count)


def ranked(
    incidents: Iterable[Incident], prevalence: Prevalence, read: Container[Finding] = ()
) -> tuple[Incident, ...]:
    """Return incidents with their surprise, those to be read first in front."""
    made = [weighed(one, prevalence, read) for one in incidents]
    return tuple(sorted(made, key=order))


def order(one: Incident) -> tuple[int, int, int, int, int, str]:
    """Return by what incidents are put in order: surprise, then severity, then risk, then bytes."""
    points = one.risk[-1].points if one.risk else 0
    return -one.surprise, -rank(one.severity), -points, -one.bytes_out, -one.end, one.id


def weighed(one: Incident, prevalence: Prevalence, read: Container[Finding] = ()) -> Incident:
    """Return an incident with what is surprising of it, most first.

    Of each rule the most surprising finding counts: halved for every 24 hours that it lies before the
    incident's end, and halved where others sent to the same place before. What somebody has read, by rule and
    entity, adds nothing: it would take the place of what is new for as long as it goes on.
    """
    if one.person is None:
        return one
    best: dict[str, Surprise] = {}
    for entry in one.timeline:
        if entry.rule in _ASIDE or (entry.rule, entry.entity) in read:
            continue
        found = prevalence.surprise(entry.rule, one.person, day_of(entry.time), entry.bytes_out, entry.by)
        age = max(0, one.end // risk.STEP - entry.time // risk.STEP)
        left = risk.faded(found.bits, age) >> entry.shared
        if entry.rule not in best or left > best[entry.rule].bits:
            best[entry.rule] = msgspec.structs.replace(
                found, bits=left, shared=entry.shared, tactic=entry.tactic
            )
    why = sorted(best.values(), key=lambda each: (-each.bits, each.rule))
    return msgspec.structs.replace(one, surprise=total(why), unusual=tuple(why))


def total(found: Sequence[Surprise]) -> int:
    """Return the surprise of the findings of several rules, most first.

    Of a tactic the first counts, for several rules often find the same act. What is of a further tactic is
    evidence of its own, yet comes with it by chance too: it counts half of what the one before does.
    """
    first: dict[str, int] = {}
    for one in found:
        first.setdefault(one.tactic or one.rule, one.bits)
    return sum(bits >> at for at, bits in enumerate(first.values()))
