"""`rules list`: each Sigma rule of a folder, whether our sensors can fire it, and what would."""

from __future__ import annotations

from collections import Counter

from .. import rules_at
from ..command import FINE, Command, Invocation
from ..sigma.standing import standings
from ..sigma_way import through

_HEADS = ("FILE", "ID", "STATE", "LEVEL", "SENSOR", "KIND", "TITLE OR REASON")


def _run(call: Invocation) -> int:
    found = standings(rules_at.ruleset(call), through)
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


COMMAND = Command("rules list", "list Sigma rules: active or why not", _run, rules_at.arguments)
