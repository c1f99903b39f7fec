"""`rules list`: each rule of a folder: of Sigma's whether our sensors can fire it, and what would."""

from __future__ import annotations

from collections import Counter

from ..command import FINE, Command, Invocation
from ..hunting.sigma_way import through
from ..rule_sources import rules_at
from ..rule_sources.site_folder import Tried
from ..sigma.standing import Standing, standings

_HEADS = ("FILE", "ID", "STATE", "LEVEL", "SENSOR", "KIND", "TITLE OR REASON")


def _standing(one: Tried) -> Standing:
    """Return where a detection of the site stands: active where it keeps its examples."""
    if one.rule is None:
        name = one.path.stem
        return Standing(str(one.path), name, name, "python", "inactive", reason=one.wrong)
    kinds = " ".join(str(kind.__struct_config__.tag) for kind in one.rule.kinds)
    rule = one.rule
    return Standing(str(one.path), rule.id, rule.title, "python", "active", level=rule.severity, kind=kinds)


def _run(call: Invocation) -> int:
    rules, site = rules_at.both(call)
    found = [*standings(rules, through), *(_standing(one) for one in site)]
    if call.terminal.as_json:
        call.terminal.value(found)
        return FINE
    call.terminal.table(
        _HEADS,
        [
            (one.file, one.id, one.state, one.level, one.sensor, one.kind, one.reason or one.title)
            for one in found
        ],
    )
    states = Counter(one.state for one in found)
    call.terminal.note(f"{states['active']} active, {states['inactive']} inactive")
    return FINE


COMMAND = Command("rules list", "list rules: active or why not", _run, rules_at.arguments)
