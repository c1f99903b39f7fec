"""`rules test`: the examples beside each rule of a folder, Sigma or the site's. Needs no server."""

from __future__ import annotations

import msgspec

from ..command import FINE, FOUND, Command, Invocation
from ..rule_sources import rules_at
from ..rule_sources.site_folder import Tried
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


def _tried(one: Tried) -> Result:
    if one.rule is None:
        return Result(str(one.path), one.path.stem, 0, one.wrong)
    return Result(str(one.path), one.rule.id, len(one.rule.hits) + len(one.rule.misses), None)


def _run(call: Invocation) -> int:
    rules, site = rules_at.both(call)
    in_force = {rule.id: rule for rule in rules.rules}
    results = [_result(one, in_force) for one in rules.listed]
    results += [Result(file.path, file.path, 0, file.fault) for file in rules.faulty]
    results += [_tried(one) for one in site]
    wrong = [one for one in results if one.wrong is not None]
    if call.terminal.as_json:
        call.terminal.value(results)
    else:
        for one in wrong:
            call.terminal.line(f"{one.file}: {one.id}: {one.wrong}", "bold red")
        examples = sum(one.examples for one in results)
        call.terminal.line(f"{len(results)} rules with {examples} examples, {len(wrong)} wrong")
    return FOUND if wrong else FINE


COMMAND = Command("rules test", "try rules on the examples beside them", _run, rules_at.arguments)
