"""`rules test`: the examples beside each Sigma rule of a folder. Needs no server."""

from __future__ import annotations

import msgspec

from .. import rules_at
from ..command import FINE, FOUND, Command, Invocation
from ..sigma.document import Rule
from ..sigma.examples import failure
from ..sigma.ruleset import Listed


class Result(msgspec.Struct, frozen=True):
    """How one document did; wrong says what is."""

    file: str
    id: str
    examples: int
    wrong: str | None


def _result(listed: Listed, in_force: dict[str, Rule]) -> Result:
    document = listed.document
    rule = in_force.get(document.id) if listed.fault is None else None
    examples = len(document.examples) if isinstance(document, Rule) else 0
    return Result(listed.path, document.id, examples, listed.fault or (failure(rule) if rule else None))


def _run(call: Invocation) -> int:
    rules = rules_at.ruleset(call)
    in_force = {rule.id: rule for rule in rules.rules}
    results = [_result(one, in_force) for one in rules.listed]
    results += [Result(file.path, file.path, 0, file.fault) for file in rules.faulty]
    wrong = [one for one in results if one.wrong is not None]
    if call.terminal.as_json:
        call.terminal.value(results)
    else:
        for one in wrong:
            call.terminal.line(f"{one.file}: {one.id}: {one.wrong}", "bold red")
        examples = sum(one.examples for one in results)
        call.terminal.line(f"{len(results)} rules with {examples} examples, {len(wrong)} wrong")
    return FOUND if wrong else FINE


COMMAND = Command("rules test", "try Sigma rules on the examples beside them", _run, rules_at.arguments)
