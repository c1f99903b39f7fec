"""The rules: what each finds, its parameters with what is in force, and what people decided of it."""

from __future__ import annotations

import msgspec

from ...rule import Value
from ...rules import parameters, rule_folders, rulebook
from ...rules.parameters import Described
from ...rules.rulebook import Proposal, Setting, Standing
from ...sigma.decide import kinds_of
from ...sigma.document import Rule as SigmaRule
from ...sigma.finding import described
from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError
from ..parameter import Parameter


class InForce(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter: what it is, its value for everybody, and who set it for whom."""

    parameter: Described
    value: Value
    settings: list[Setting] = []


class ListedRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule, whether it is live, and its parameters."""

    id: str
    version: int
    title: str
    severity: str
    attack: tuple[str, ...]
    kinds: tuple[str, ...]
    state: rulebook.State
    standing: Standing | None = None
    parameters: list[InForce] = []


class RuleList(msgspec.Struct, frozen=True):
    """All rules by id, and the decisions that wait for another's approval."""

    rows: list[ListedRule]
    proposals: list[Proposal]


def _list(call: Call) -> msgspec.Struct | Stream:
    wanted = call.values["rule"]
    rows = [one for one in _listed(call) if wanted is None or one.id == wanted]
    if wanted is not None and not rows:
        raise ApiError(404, "not_found", f"rule: there is no rule {wanted!r}", "rule")
    return RuleList(rows, list(call.services.book().proposals.values()))


def _listed(call: Call) -> list[ListedRule]:
    book, site = call.services.book(), call.services.site()

    def in_force(one: Described) -> InForce:
        value = site.parameters.get(one.rule, {}).get(one.name, one.default)
        settings = [each for each in book.settings.values() if (each.rule, each.name) == (one.rule, one.name)]
        return InForce(one, value, settings)

    own = [
        ListedRule(
            rule.id,
            rule.version,
            rule.title,
            rule.severity,
            rule.attack,
            tuple(str(kind.__struct_config__.tag) for kind in rule.kinds),
            book.state(rule.id),
            book.standings.get(rule.id),
            [in_force(parameters.described(rule.id, one)) for one in rule.parameters],
        )
        for rule in rule_folders.tunable(call.services.site_rules())
    ]
    sigma = [
        ListedRule(
            one.id,
            one.version,
            one.title,
            one.severity,
            one.attack,
            kinds_of(one.logsource) if isinstance(one, SigmaRule) else (),
            book.state(one.id),
            book.standings.get(one.id),
            [in_force(parameters.described(one.id, each)) for each in described(one).parameters],
        )
        for one in call.services.sigma().everything()
    ]
    return [*own, *sigma]


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/rules",
        "rules",
        "The rules, their parameters with what is in force, and what was decided of them",
        Role.VIEWER,
        _list,
        RuleList,
        parameters=(Parameter("rule", "text", "only this one"),),
    ),
)
