"""Why a rule fired on an event, or did not: it is run again, and what would turn the answer is sought.

The rule itself is the judge: nothing of it is told a second time here. It is run on what the lake holds of
the session, then again with one parameter at another value, with a list of names emptied, or with what the
operator told taken away. So each threshold is shown with the value at which the answer turns. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.process import Exec

from ..measures.session_work import base_name, program
from ..organisation.known import Known, Organisation
from ..record import Record
from ..rule import Detection, Finding, Parameter, Rule, Site, Value
from .routes import wants

RUNS_LIMIT = 400
EVENTS_LIMIT = 400_000
"""Events shown to a rule for one explanation, over all runs."""
_AFTER = 5_000_000_000
"""Nanoseconds the clock goes on after the last event: rules wait a moment for the end of a connection."""
_HIGHEST = 1 << 44
_THOUSANDTHS = 1000


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One condition: what is asked, the value met, the limit it is held against, and whether it holds.

    holds None: it does not decide here.
    """

    text: str
    value: str
    limit: str | None = None
    holds: bool | None = None


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule makes of an event, condition by condition; notes say what this cannot tell."""

    rule: str
    title: str
    about: str
    event: str
    fires: bool
    window: int
    conditions: tuple[Condition, ...]
    notes: tuple[str, ...] = ()
    summary: str | None = None


class _Run:
    """A rule over the events of a window, as often as it takes."""

    def __init__(self, rule: Rule, records: Sequence[Record], uid: str) -> None:
        self._rule, self._records, self._uid = rule, records, uid
        self._left = min(RUNS_LIMIT, EVENTS_LIMIT // max(1, len(records)))

    @property
    def spent(self) -> bool:
        """Whether no further run is allowed."""
        return self._left <= 0

    def fires(self, site: Site) -> bool:
        """Return whether the rule finds something to which the event contributes, told other things."""
        try:
            return any(self._uid in one.evidence for one in self.found(site))
        except Exception:  # noqa: BLE001 - a rule need not cope with values that no site sets
            return False

    def found(self, site: Site) -> list[Finding]:
        """Return all that the rule finds in the window."""
        self._left -= 1
        rule = self._rule
        wanted = [one for one in self._records if wants(rule, one.event.body, site)]
        if isinstance(rule, Detection):
            return [found for one in wanted if (found := rule.find(one, site)) is not None]
        state: Any = rule.state()
        made = [found for one in wanted for found in rule.step(state, one, site) or ()]
        if self._records:
            made += rule.passed(state, max(one.received for one in self._records) + _AFTER, site)
        return made


def explain(rule: Rule, records: Sequence[Record], uid: str, site: Site) -> Explanation:
    """Return what rule makes of the event uid, one of records: the events of its session in order of time.

    Raises:
        whatever the rule does on these events.
    """
    target = next(one for one in records if one.uid == uid)
    run = _Run(rule, records, uid)
    found = run.found(site)
    own = [one for one in found if uid in one.evidence]
    conditions = [*_routing(rule, target, site), *_facts(target, site)]
    conditions += [_parameter(run, rule, one, site, fires=bool(own)) for one in rule.parameters]
    conditions.append(_told(run, site, fires=bool(own)))
    return Explanation(
        rule.id,
        rule.title,
        "; ".join(story.why for story in rule.hits),
        uid,
        bool(own),
        len(records),
        tuple(conditions),
        tuple(_notes(rule, run, found, fires=bool(own))),
        own[-1].summary if own else None,
    )


def _routing(rule: Rule, target: Record, site: Site) -> list[Condition]:
    """Return whether the event reaches the rule at all."""
    body = target.event.body
    kinds = ", ".join(_name(kind) for kind in rule.kinds) or "no events, only chains and time"
    made = [
        Condition(
            "the rule looks at events of this kind", _name(type(body)), kinds, isinstance(body, rule.kinds)
        )
    ]
    names = rule.programs(site)
    if isinstance(body, Exec) and names is not None:
        listed = " ".join(sorted(names)) or "none for its name"
        listed += ", and any that is elevated, of no file or with such variables" if rule.unusual else ""
        made.append(
            Condition("the rule looks at this program", program(body), listed, wants(rule, body, site))
        )
    elif isinstance(body, rule.kinds) and isinstance(body, Open | Close | Report):
        made.append(_connection(rule, body, site))
    return made


def _connection(rule: Rule, body: Open | Close | Report, site: Site) -> Condition:
    """Return whether the rule is shown such a connection."""
    wanted, name = rule.connections(site), base_name((body.actor.exe if body.actor else None) or "")
    known = "known" if site.is_known(body.remote.ip) else "unknown"
    said = f"{body.direction}, {body.protocol}, to {known}, by {name or 'an unknown program'}"
    parts: list[str] = [wanted.direction or "in or out", wanted.protocol or "any protocol"]
    parts += ["to unknown"] if wanted.unknown else []
    parts += [f"by {' '.join(sorted(wanted.programs))}"] if wanted.programs is not None else []
    return Condition("the rule looks at such connections", said, ", ".join(parts), wants(rule, body, site))


def _facts(target: Record, site: Site) -> list[Condition]:
    """Return what many rules ask of an event; whether this rule does is not known here."""
    person = target.person
    who = f"{person.name}, how: {person.how}" if person is not None else "nobody"
    made = [Condition("the person behind it is known", who, None, person is not None)]
    remote = getattr(target.event.body, "remote", None)
    if remote is not None:
        use = site.known.use(remote.ip)
        made.append(Condition("the other end is no known one", remote.ip, use or "not known", use is None))
    return made


def _parameter(run: _Run, rule: Rule, parameter: Parameter, site: Site, *, fires: bool) -> Condition:
    """Return a parameter with the value at which the answer turns."""
    value = site.parameters.get(rule.id, {}).get(parameter.name, parameter.default)
    limit = f"{value} {parameter.unit}"
    if isinstance(value, str):
        turned = not run.spent and run.fires(_with(site, rule, parameter, "")) != fires
        text = "the answer turns without this list" if turned else "does not decide"
        return Condition(parameter.name, text, limit[:200], fires if turned else None)
    turn = _turn(run, rule, parameter, site, fires=fires)
    if turn is None:
        return Condition(parameter.name, "no value of it alone changes the answer", limit)
    edge, lower = turn
    side = "or less" if lower != fires else "or more"
    verb = "fires with" if fires else "would fire with"
    return Condition(parameter.name, f"{verb} {edge} {side}", limit, fires)


def _turn(
    run: _Run, rule: Rule, parameter: Parameter, site: Site, *, fires: bool
) -> tuple[Value, bool] | None:
    """Return the outermost value with which the rule fires, and whether lower values turn the answer."""
    scale = _THOUSANDTHS if isinstance(parameter.default, float) else 1
    at = int(site.number(rule.id, parameter) * scale)

    def same(number: int) -> bool:
        value: Value = number / scale if scale > 1 else number
        return run.fires(_with(site, rule, parameter, value)) == fires

    for far, lower in ((0, True), (_HIGHEST * scale, False)):
        if run.spent or far == at or same(far):
            continue
        here, there = at, far
        while abs(here - there) > 1 and not run.spent:
            middle = (here + there) // 2
            here, there = (middle, there) if same(middle) else (here, middle)
        edge = here if fires else there
        return (edge / scale if scale > 1 else edge), lower
    return None


def _told(run: _Run, site: Site, *, fires: bool) -> Condition:
    """Return whether people, networks, hosts and windows that the operator told decide."""
    turned = not run.spent and run.fires(Site(site.parameters, Known(Organisation()))) != fires
    value = "the answer turns without it" if turned else "does not decide"
    return Condition(
        "what the operator told of people, networks, hosts and times", value, None, fires if turned else None
    )


def _notes(rule: Rule, run: _Run, found: Sequence[Finding], *, fires: bool) -> list[str]:
    made = ["only this session's events were judged: what the rule learnt before, or elsewhere, is not in it"]
    if isinstance(rule, Detection):
        made = ["the rule judges each event by itself"]
    if found and not fires:
        made.append(f"it finds something in this session, without this event: {found[-1].summary}")
    if run.spent:
        made.append("the session is long: not every value was tried")
    return made


def _with(site: Site, rule: Rule, parameter: Parameter, value: Value) -> Site:
    own = {**site.parameters.get(rule.id, {}), parameter.name: value}
    return Site({**site.parameters, rule.id: own}, site.known)


def _name(kind: Any) -> str:
    return str(kind.__struct_config__.tag)
