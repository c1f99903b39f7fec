"""Whether a rule is active: an event as our agent makes it fires it, and one beside it does not.

A rule is active when each field it uses is made by a view of its logsource, when a witness made of its own
tree fires it after codec and store, and when another that differs in one field does not. Pure: the way is
given.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from evidence.kind import Body, kind_of

from . import tree
from .decide import reduced, unknown_fields, views_of
from .document import Correlation, Document, Filter, Rule
from .examples import failure
from .force import fault
from .judge import Judge
from .ruleset import Listed, Ruleset
from .view import View
from .witness import Witness, contraries, witnesses

Way = Callable[[Sequence[Body]], Sequence[Body | None]]
"""Takes bodies through codec, store and back; None for one that did not arrive."""
_TRIED = 200
"""Witnesses of one rule in one view, and contraries of one witness, that are tried."""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a rule stands: its file, whether it is active or why not, who feeds it, what would fire it."""

    file: str
    id: str
    title: str
    type: Literal["rule", "filter", "correlation", "file", "python"]
    state: Literal["active", "inactive"]
    level: str | None = None
    reason: str | None = None
    sensor: str | None = None
    kind: str | None = None
    view: str | None = None
    witness: dict[str, object] | None = None


class _Pair(msgspec.Struct, frozen=True):
    view: View
    witness: Body
    contrary: Body


def standings(ruleset: Ruleset, way: Way) -> list[Standing]:
    """Return where each document of a folder stands, and each file that cannot be read."""
    in_force = {rule.id: rule for rule in ruleset.rules}
    found: list[Standing] = []
    pairs: list[tuple[Listed, Rule, _Pair]] = []
    for one in ruleset.listed:
        rule = in_force.get(one.document.id) if one.fault is None else None
        made = None if rule is None else _pair(rule)
        if rule is not None and isinstance(made, _Pair):
            pairs.append((one, rule, made))
        else:
            reason = made if isinstance(made, str) else one.fault
            found.append(_standing(one.path, one.document, reason))
    arrived = iter(way([body for _one, _rule, pair in pairs for body in (pair.witness, pair.contrary)]))
    for one, rule, pair in pairs:
        found.append(_judged(one, rule, pair, (next(arrived), next(arrived))))
    found += [
        Standing(file.path, file.path, file.path, "file", "inactive", reason=file.fault)
        for file in ruleset.faulty
    ]
    by_id = {one.id: one for one in found if one.type == "rule"}
    return sorted((_correlated(one, ruleset, by_id) for one in found), key=lambda one: (one.file, one.id))


def _standing(path: str, document: Document, reason: str | None) -> Standing:
    return Standing(
        file=path,
        id=document.id,
        title=document.title,
        type=_TYPES[type(document)],
        state="inactive" if reason is not None else "active",
        level=None if isinstance(document, Filter) else document.severity,
        reason=reason,
    )


_TYPES: dict[type[Document], Literal["rule", "filter", "correlation"]] = {
    Rule: "rule",
    Filter: "filter",
    Correlation: "correlation",
}


def _judged(one: Listed, rule: Rule, pair: _Pair, arrived: tuple[Body | None, Body | None]) -> Standing:
    """Return where a rule stands by what became of its witness and the contrary on their way."""
    judge, (witness, contrary) = Judge((rule,), _no_clock), arrived
    reason = None
    if witness is None or not _fires(judge, witness):
        reason = "its witness did not come through the store as it was"
    elif contrary is None or _fires(judge, contrary):
        reason = "an event that differs in one field fires it as well"
    return msgspec.structs.replace(
        _standing(one.path, one.document, reason),
        sensor=pair.view.sensor,
        kind=kind_of(pair.witness),
        view=pair.view.name,
        witness=msgspec.to_builtins(pair.witness),
    )


def _correlated(one: Standing, ruleset: Ruleset, by_id: dict[str, Standing]) -> Standing:
    """Return where a correlation stands: with its rules, of which the first one's witness is shown."""
    rule = next((rule for rule in ruleset.correlations if rule.id == one.id), None)
    if rule is None or one.reason is not None:
        return one
    rules = [by_id[name] for name in rule.rules]
    idle = next((of for of in rules if of.state == "inactive"), None)
    reason = None if idle is None else f"rule {idle.id} is inactive: {idle.reason}"
    reason = reason or fault(rule, {of.id: of for of in ruleset.rules})
    first = rules[0]
    return msgspec.structs.replace(
        one,
        state="active" if reason is None else "inactive",
        reason=reason,
        sensor=first.sensor,
        kind=first.kind,
        view=first.view,
        witness=first.witness,
    )


def _pair(rule: Rule) -> _Pair | str:
    """Return a witness and its contrary, or why there is none."""
    views = views_of(rule.logsource)
    if not views:
        return f"no sensor feeds logsource {rule.logsource}"
    unknown = unknown_fields(rule.logsource, rule.condition)
    if unknown:
        return f"no sensor tells {', '.join(unknown)} for logsource {rule.logsource}"
    wrong = failure(rule)
    if wrong is not None:
        return wrong
    judge = Judge((rule,), _no_clock)
    if not judge.panels:
        return f"no event of ours can match it: {_why_never(rule)}"
    for panel in judge.panels:
        node = reduced(panel.view, rule.condition)
        for witness in itertools.islice(witnesses(panel.view, node), _TRIED):
            if _fires(judge, witness.body):
                contrary = _contrary(judge, panel.view, node, witness)
                if contrary is not None:
                    return _Pair(panel.view, witness.body, contrary)
    return "no event could be made of its condition that fires it, beside one that does not"


def _contrary(judge: Judge, view: View, node: tree.Node, witness: Witness) -> Body | None:
    tried = itertools.islice(contraries(view, node, witness), _TRIED)
    return next((one.body for one in tried if not _fires(judge, one.body)), None)


def _fires(judge: Judge, body: Body) -> bool:
    return bool(judge.of(body))


_CONSTANT = frozenset({"type", "SYSCALL", "syscall", "key"})


def _no_clock() -> int:
    return 0


def _why_never(rule: Rule) -> str:
    """Return which constants of a view a rule contradicts, in a few words."""
    asked = sorted(_CONSTANT.intersection(tree.fields(rule.condition)))
    return (
        f"its {', '.join(asked)} is none that our sensors tell"
        if asked
        else "its condition contradicts itself"
    )
