"""A person's risk: what the findings about them are worth, fading with a half-life; all in integers. Pure.

At any time it is, over all rules, the worth of the rule's findings about the person, each halved for every 24
hours of its age, no rule counting for more than a few findings of its severest kind; and something for each
further tactic of the last 24 hours, a rule being of one. It depends on the set of findings alone, not on the
order they came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from . import attack
from .alert import Alert, Severity, entity_key
from .bounded import remember
from .record import Person, SessionRevision, key_of
from .rule import Finding, Parameter, Site, engines_own

HALF_LIFE = 86_400_000_000_000
"""Nanoseconds."""
POINT = 1000
"""Risk is counted in thousandths of a point."""
POINTS: dict[Severity, int] = {"informational": 1, "low": 10, "medium": 30, "high": 60, "critical": 100}
_WORTH = {severity: points * POINT for severity, points in POINTS.items()}
TACTIC_BONUS = 10
PEOPLE_LIMIT = 10_000
SESSIONS_LIMIT = 50_000
PARTS_LIMIT = 64
RULE_PARTS_LIMIT = 8
"""Findings of a rule that are kept of a person, the newest: a flood of one rule pushes out no other's."""
BY_SESSION = frozenset({"kernel", "hop", "key"})
"""Ways to know a person that are the session's: who its person turns out to be owns what was found in it."""
_STEPS = 64
STEP = HALF_LIFE // _STEPS
"""Age counts in steps of 22.5 minutes."""
_KEPT = 14 * _STEPS
_EVIDENCE_LIMIT = 20
_DAY = 86_400_000_000_000
_BITS = 32
_FADE = (
    4294967296, 4248701965, 4202935003, 4157661043, 4112874773, 4068570940, 4024744348, 3981389855,
    3938502376, 3896076880, 3854108391, 3812591987, 3771522796, 3730896002, 3690706840, 3650950594,
    3611622603, 3572718252, 3534232978, 3496162267, 3458501653, 3421246719, 3384393094, 3347936457,
    3311872529, 3276197082, 3240905930, 3205994934, 3171459999, 3137297074, 3103502151, 3070071267,
    3037000500, 3004285971, 2971923842, 2939910317, 2908241642, 2876914102, 2845924021, 2815267765,
    2784941738, 2754942382, 2725266179, 2695909648, 2666869345, 2638141863, 2609723834, 2581611923,
    2553802834, 2526293303, 2499080105, 2472160047, 2445529972, 2419186755, 2393127307, 2367348571,
    2341847524, 2316621173, 2291666561, 2266980759, 2242560872, 2218404036, 2194507417, 2170868212,
)  # fmt: skip
"""2**32 / 2**(k/64), rounded: what is left of 2**32 after k steps."""
_ID = "person-risk"
_THRESHOLD = Parameter("threshold", 100, "points", "two high findings of a day, or low ones of several rules")
_PER_RULE = Parameter("per_rule", 3, "findings", "one noisy rule is no incident by itself")


class Limits(msgspec.Struct, frozen=True):
    """The parameters: points that are crossed, and findings of a rule that count at most."""

    threshold: int = 100
    per_rule: int = 3


class Part(msgspec.Struct, frozen=True, gc=False):
    """What one finding adds: its rule, its time and worth, whose session it was in, and what shows it."""

    rule: str
    entity: str
    time: int
    severity: Severity
    tactic: str | None
    person: Person
    agent: str
    host: str
    boot: str | None
    uid: str | None

    @property
    def step(self) -> int:
        """The step its age counts from."""
        return self.time // STEP

    @property
    def is_sure(self) -> bool:
        """Whether the person is more than inferred."""
        return self.person.how != "inferred"


class State(msgspec.Struct):
    """people by name and ``rule|entity``, owners the names by ``agent|boot|session``; the oldest go first."""

    people: dict[str, dict[str, Part]] = {}
    owners: dict[str, str] = {}


class Point(msgspec.Struct, frozen=True):
    """A person's risk at a time (UTC ns), in points."""

    time: int
    points: int


def limits(site: Site) -> Limits:
    """Return the parameters as the site set them."""
    return Limits(int(site.number(_ID, _THRESHOLD)), int(site.number(_ID, _PER_RULE)))


def found(state: State, alert: Alert, limits: Limits) -> Iterator[Finding]:
    """Take a finding, told or not; yield where it lets its person's risk cross the threshold."""
    one = part(alert)
    if one is None:
        return
    name, key = one.person.name, entity_key(alert.rule, alert.entity)
    parts = state.people.get(name) or {}
    known = parts.get(key)
    _keep(state, name, parts, {key: one})
    if known is None or (known.step, known.severity, known.is_sure) != (one.step, one.severity, one.is_sure):
        yield from crossings(parts.values(), one.step, limits)


def revised(state: State, session: SessionRevision, limits: Limits) -> Iterator[Finding]:
    """Take whose a session is by now; what was found in it becomes that person's risk."""
    former = state.owners.get(key_of(session.agent, session.boot, session.session))
    name = session.person.name
    if former is None or former == name:
        return
    place = (session.agent, session.boot, session.session)
    old = state.people.get(former) or {}
    moved = {
        key: msgspec.structs.replace(one, person=session.person)
        for key, one in old.items()
        if (one.agent, one.boot, one.person.session) == place and one.person.how in BY_SESSION
    }
    if moved:
        for key in moved:
            del old[key]
        parts = state.people.get(name) or {}
        _keep(state, name, parts, moved)
        yield from crossings(parts.values(), min(one.step for one in moved.values()), limits)


def _keep(state: State, name: str, parts: dict[str, Part], fresh: dict[str, Part]) -> None:
    """Add to a person's parts, and note whose sessions they are of."""
    grows = not fresh.keys() <= parts.keys()
    parts.update(fresh)
    if grows:
        _forget(parts)
    remember(state.people, name, parts, PEOPLE_LIMIT)
    for one in fresh.values():
        if one.person.session is not None:
            session = key_of(one.agent, one.boot or "", one.person.session)
            remember(state.owners, session, name, SESSIONS_LIMIT)


def part(alert: Alert) -> Part | None:
    """Return what an alert adds to its person's risk; None for one that says nothing of a person."""
    if alert.person is None or alert.rule in (_ID, "rule-fault"):
        return None
    return Part(
        alert.rule,
        alert.entity,
        alert.time,
        alert.severity,
        attack.tactic(alert.attack[0]) if alert.attack else None,
        alert.person,
        alert.agent,
        alert.host,
        alert.boot,
        max(alert.evidence, default=None),
    )


def score(parts: Iterable[Part], step: int, per_rule: int) -> int:
    """Return the risk of parts at the end of a step, in thousandths of a point."""
    return _total([(one, step - one.step) for one in parts if one.step <= step], per_rule)


def _total(aged: Iterable[tuple[Part, int]], per_rule: int) -> int:
    """Return the risk of parts that are so many steps old."""
    worth: dict[str, int] = {}
    most: dict[str, int] = {}
    tactics: set[str] = set()
    for one, age in aged:
        rule, points = one.rule, _WORTH[one.severity]
        worth[rule] = worth.get(rule, 0) + (faded(points, age) if age else points)
        if points > most.get(rule, 0):
            most[rule] = points
        if age < _STEPS and one.tactic is not None:
            tactics.add(one.tactic)
    total = sum(min(points, per_rule * most[rule]) for rule, points in worth.items())
    return total + TACTIC_BONUS * POINT * max(0, len(tactics) - 1)


def faded(points: int, steps: int) -> int:
    """Return what is left of points after that many steps."""
    halvings, rest = divmod(steps, _STEPS)
    return (points * _FADE[rest]) >> (_BITS + halvings)


def history(parts: Sequence[Part], per_rule: int) -> tuple[Point, ...]:
    """Return a person's risk after each step in which something was found."""
    steps = sorted({one.step for one in parts})
    return tuple(Point((step + 1) * STEP, score(parts, step, per_rule) // POINT) for step in steps)


def _forget(parts: dict[str, Part]) -> None:
    """Drop what has faded, and the oldest where there are too many."""
    if len(parts) <= RULE_PARTS_LIMIT:
        return
    newest = max(one.step for one in parts.values())
    kept: dict[str, int] = {}
    for count, key in enumerate(sorted(parts, key=lambda key: (parts[key].time, key), reverse=True)):
        one = parts[key]
        kept[one.rule] = kept.get(one.rule, 0) + 1
        if newest - one.step > _KEPT or kept[one.rule] > RULE_PARTS_LIMIT or count >= PARTS_LIMIT:
            del parts[key]


def crossings(parts: Iterable[Part], since: int, limits: Limits) -> Iterator[Finding]:
    """Yield where one person's risk crosses the threshold, and twice that, from a step on, once a day each.

    Each is named after the first finding, not after the person, whose name may be learnt later.
    """
    threshold, most = limits.threshold * POINT, limits.per_rule
    ordered = [(one, one.step) for one in sorted(parts, key=_order)]
    for times, severity in _LEVELS:
        counted = ordered if times == 1 else [pair for pair in ordered if pair[0].is_sure]
        # What does not suffice where nothing has faded yet suffices never.
        if _total([(one, 0) for one, _at in counted], most) < times * threshold:
            continue
        days: set[int] = set()
        for step in sorted({at for _one, at in counted if at >= since}):
            until = [(one, step - at) for one, at in counted if at <= step]
            after, day = _total(until, most), step * STEP // _DAY
            if after < times * threshold or day in days:
                continue
            if _total([pair for pair in until if pair[1]], most) < times * threshold:
                days.add(day)
                found = [one for one, _age in until]
                anchor = f"{found[0].rule}|{found[0].entity}|{day}|{times}"
                yield _finding(anchor, severity, found, after)


def _order(one: Part) -> tuple[int, str, str]:
    return one.time, one.rule, one.entity


_LEVELS: tuple[tuple[int, Severity], ...] = ((1, "medium"), (2, "high"))


def _finding(entity: str, severity: Severity, parts: Sequence[Part], points: int) -> Finding:
    last = next((one for one in reversed(parts) if one.is_sure), parts[-1])
    uids = tuple(dict.fromkeys(one.uid for one in parts if one.uid is not None))
    counts: dict[str, int] = {}
    for one in parts:
        counts[one.rule] = counts.get(one.rule, 0) + 1
    listed = ", ".join(f"{rule} ({count})" for rule, count in sorted(counts.items()))
    return Finding(
        entity=entity,
        summary=f"the risk of {last.person.name} rose to {points // POINT} points, by {listed}",
        time=parts[-1].time,
        agent=last.agent,
        host=last.host,
        evidence=uids[-_EVIDENCE_LIMIT:],
        person=last.person,
        details={"points": str(points // POINT), "rules": listed},
        severity=severity,
        boot=last.boot,
    )


RULE = engines_own(_ID, "Many findings about one person", "medium", (), _THRESHOLD, _PER_RULE)
"""What crossing the threshold is told as; twice the threshold is high."""
