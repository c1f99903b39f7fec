"""All files of a folder → the rules in force: filters applied, correlations joined to their rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from . import tree
from .document import Correlation, Document, File, Filter, Rule

GROUPS = 8
"""Fields that a correlation may group by."""


class Listed(msgspec.Struct, frozen=True):
    """A document and the file it stands in; fault says why it is not in force."""

    path: str
    document: Document
    fault: str | None = None


class Ruleset(msgspec.Struct, frozen=True):
    """Rules in force, with their filters; correlations, by the ids of their rules; all that is listed."""

    rules: tuple[Rule, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    listed: tuple[Listed, ...] = ()
    faulty: tuple[File, ...] = ()

    def everything(self) -> list[Rule | Correlation]:
        """Return rules and correlations in force."""
        return [*self.rules, *self.correlations]


def assemble(files: Iterable[File]) -> Ruleset:
    """Return what the files make together; the first of several rules with one id holds."""
    faulty: list[File] = []
    listed: list[Listed] = []
    seen: dict[str, str] = {}
    for file in sorted(files, key=lambda one: one.path):
        if file.fault is not None:
            faulty.append(file)
        for document in file.documents:
            twice = f"its id stands in {seen[document.id]} already" if document.id in seen else None
            seen.setdefault(document.id, file.path)
            listed.append(Listed(file.path, document, document.fault or twice))
    sound = [one.document for one in listed if one.fault is None]
    filters = [one for one in sound if isinstance(one, Filter)]
    rules = tuple(_filtered(one, filters) for one in sound if isinstance(one, Rule))
    joined, broken = _joined([one for one in sound if isinstance(one, Correlation)], rules)
    return Ruleset(
        rules=rules,
        correlations=joined,
        listed=tuple(
            msgspec.structs.replace(one, fault=broken[one.document.id])
            if one.fault is None and one.document.id in broken
            else one
            for one in listed
        ),
        faulty=tuple(faulty),
    )


def _filtered(rule: Rule, filters: Iterable[Filter]) -> Rule:
    conditions = [
        one.condition
        for one in filters
        if one.logsource.covers(rule.logsource)
        and (one.rules is None or not {rule.id, rule.name, rule.title}.isdisjoint(one.rules))
    ]
    if not conditions:
        return rule
    return msgspec.structs.replace(rule, condition=tree.All((rule.condition, *conditions)))


def _joined(
    correlations: Iterable[Correlation], rules: Sequence[Rule]
) -> tuple[tuple[Correlation, ...], dict[str, str]]:
    """Return correlations whose rules are all in force, by the rules' ids; and why others are not."""
    named = {rule.id: rule.id for rule in rules} | {rule.name: rule.id for rule in rules if rule.name}
    found: list[Correlation] = []
    broken: dict[str, str] = {}
    for one in correlations:
        missing = [name for name in one.rules if name not in named]
        if missing:
            broken[one.id] = f"rule {missing[0]} is not in force, or is a correlation itself"
        elif not one.rules:
            broken[one.id] = "it names no rules"
        elif len(one.group_by) > GROUPS:
            broken[one.id] = f"it groups by more than {GROUPS} fields"
        else:
            found.append(_by_id(one, named))
    return tuple(found), broken


def _by_id(one: Correlation, named: dict[str, str]) -> Correlation:
    return msgspec.structs.replace(
        one,
        rules=tuple(named[name] for name in one.rules),
        aliases={
            alias: {named.get(name, name): field for name, field in of.items()}
            for alias, of in one.aliases.items()
        },
    )
