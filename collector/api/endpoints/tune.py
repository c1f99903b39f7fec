"""What a rule would have told with other values of a parameter, on the history that is stored."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec

from ...errors import QueryError
from ...questions import moments
from ...rule import Correlation, Rule, Value
from ...rules import parameters, rule_folders
from ...rules.parameters import Described
from ...rules.rulebook import Scope
from ...sigma import replayed
from ...sigma.finding import described
from ...tuning import forecast, tune
from ...tuning.tune import Task, Tuned
from ...tuning.tuning import Wanted
from ...users import Role
from ..endpoint import Call, Endpoint, Stream

VALUES_LIMIT = 25
DAYS_LIMIT = 366
SECONDS = 300.0
MEMORY_BYTES = 1 << 30
_DAY = 86_400_000_000_000
_UNITS = {"seconds": 10**9, "days": _DAY, "hours": 3_600 * 10**9}
_WARM_DAYS = 31
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class WantedTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to try: a value as text, others to compare with (else some around it), for whom, on which time.

    since and until are ISO-8601 or an age such as 30d. budget is in alerts a day.
    """

    rule: _Text
    name: _Text
    value: _Text | None = None
    grid: tuple[_Text, ...] = ()
    scope: Scope = Scope()
    since: _Text = "30d"
    until: _Text = "now"
    budget: Annotated[float, msgspec.Meta(ge=0, le=100_000)] | None = None


def _tune(call: Call) -> msgspec.Struct | Stream:
    wanted: WantedTrial = call.body
    about = parameters.find(parameters.catalogue(_judging(call)), wanted.rule, wanted.name)
    if about.type == "words":
        raise QueryError(f"parameter: {about.name} is no number; lists of words cannot be tuned")
    site = call.services.site()
    current = site.parameters.get(about.rule, {}).get(about.name, about.default)
    asked = parameters.value(about, wanted.value) if wanted.value is not None else None
    began = time.monotonic()
    task = _task(call, wanted, about, _values(wanted, about, current, asked))
    answer = tune.run(task, call.services.snapshot.with_name("tune.lock"))
    made = tune.compared(answer, task, about, current, round(time.monotonic() - began, 2))
    labels = _labels(call, about.rule)
    return _completed(msgspec.structs.replace(made, wanted=asked, budget=wanted.budget), answer, labels)


def _judging(call: Call) -> list[Rule]:
    """Return the rules whose past can be shown to them again."""
    own = [rule for rule in rule_folders.tunable(call.services.site_rules()) if rule.kinds]
    return [*own, *(described(one) for one in call.services.sigma().correlations)]


def _values(wanted: WantedTrial, about: Described, current: Value, asked: Value | None) -> tuple[Value, ...]:
    if len(wanted.grid) > VALUES_LIMIT:
        raise QueryError(f"grid: {len(wanted.grid)} values, at most {VALUES_LIMIT}")
    if wanted.grid:
        own = {parameters.value(about, one) for one in wanted.grid} | {current}
        return tuple(sorted(own | ({asked} if asked is not None else set()), key=float))
    if isinstance(current, str) or isinstance(asked, str) or about.least is None or about.most is None:
        raise QueryError(f"parameter: {about.name} is no number")
    return tuple(forecast.grid(current, asked, about.least, about.most))


def _task(call: Call, wanted: WantedTrial, about: Described, values: tuple[Value, ...]) -> Task:
    now = call.services.clock()
    since, until = moments.parse(wanted.since, now), moments.parse(wanted.until, now)
    if not 0 < until - since <= DAYS_LIMIT * _DAY:
        raise QueryError(f"since: give a time before --to, at most {DAYS_LIMIT} days")
    services, site = call.services, call.services.site()
    return Task(
        Wanted(about.rule, about.name, values, wanted.scope),
        str(services.snapshot),
        since - _memory(call, values, about),
        since,
        until,
        site.parameters,
        services.book(),
        site.known.organisation,
        tune.Limits(SECONDS, MEMORY_BYTES),
        str(file) if (file := services.site_file(about.rule)) is not None else None,
        replayed.only(services.sigma(), about.rule),
    )


def _memory(call: Call, values: tuple[Value, ...], about: Described) -> int:
    """Return for how long (ns) before what counts the rule is shown events: as far as it looks back."""
    (own,) = [one for one in _judging(call) if one.id == about.rule]
    if not isinstance(own, Correlation):
        return 0
    spans = [0]
    for one in own.parameters:
        unit = _UNITS.get(one.unit)
        if unit is not None and not isinstance(one.default, str):
            tried = [float(value) for value in values] if one.name == about.name else []
            spans += [int(max([float(one.default), *tried]) * unit)]
    return min(max(spans), _WARM_DAYS * _DAY)


def _labels(call: Call, rule: str) -> dict[str, str]:
    """Return by entity what triage found the rule's alerts to be."""
    standings = call.services.triages.standings(rule)
    return {entity: str(one.label) for (_rule, entity), one in standings.items() if one.label is not None}


def _completed(made: Tuned, answer: tune.Answer, labels: dict[str, str]) -> Tuned:
    """Return it with the value for the budget, and what the value asked about gains and loses."""
    if made.budget is not None:
        best = forecast.recommended(made.points, made.budget, made.current)
        made = msgspec.structs.replace(made, recommended=best.value if best is not None else None)
    against = made.wanted if made.wanted is not None else made.recommended
    if against is None or against == made.current:
        return made
    gained = tune.changed(answer, against, made.current, labels)
    lost = tune.changed(answer, made.current, against, labels)
    return msgspec.structs.replace(made, gained=gained, lost=lost)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/tune",
        "tune",
        "What a rule would have told with other values of a parameter",
        Role.ANALYST,
        _tune,
        Tuned,
        body=WantedTrial,
        object="rule",
    ),
)
