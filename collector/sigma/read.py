"""A file of Sigma rules → documents; pySigma is the parser, and no more. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec
import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from .. import attack
from ..alert import Severity
from . import tree
from .document import Correlation, Counted, Document, Example, File, Filter, Logsource, Rule, Threshold
from .values import Unusable, node_of

LIMIT = 1 << 20
"""Bytes of a file; SigmaHQ's longest is a fiftieth."""
_SECOND, _THOUSAND = 1_000_000_000, 1000
_LONGEST = 31 * 86_400
"""Seconds that a correlation may look back."""
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_COUNTED: tuple[Counted, ...] = get_args(Counted)
_KEPT = 100
"""Examples of a rule."""
_UNREADABLE = (
    yaml.YAMLError,
    SigmaError,
    Unusable,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)
"""What pySigma raises on files that are no rules; whatever it is, it is the file's fault."""
Placeholders = Mapping[str, tuple[str, ...]]
"""The site's values for %name% in rules with the expand modifier."""


def read(path: str, data: bytes, placeholders: Placeholders) -> File:
    """Return what a file holds; what cannot be used says why, and costs nothing beside it."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) > LIMIT:
        return File(path, digest, fault=f"{len(data)} bytes, more than {LIMIT}")
    try:
        found = _parse(data)
    except _UNREADABLE as error:
        return File(path, digest, fault=_line(error))
    made = tuple(
        _document(one, f"{path}#{number}" if number else path, placeholders)
        for number, one in enumerate(found)
    )
    return File(path, digest, made, None if made else "no rule stands in it")


class _Broken(msgspec.Struct, frozen=True):
    """A document that pySigma does not take, beside others that it does."""

    title: str
    error: Exception
    id: str | None = None


def _parse(data: bytes) -> list[Any]:
    """Return the file's rules, unresolved; where one is refused as a whole, the others by themselves.

    Raises:
        yaml.YAMLError, SigmaError, TypeError: it is not a file of rules.
    """
    parts = [one for one in yaml.load_all(data, yaml.CSafeLoader) if one is not None]
    if not all(isinstance(one, dict) for one in parts):
        raise TypeError("not a YAML mapping")
    try:
        return _collected(parts)
    except _UNREADABLE:
        if len(parts) == 1 or any("action" in one for one in parts):
            raise
    found: list[Any] = []
    for one in parts:
        try:
            found += _collected([one])
        except _UNREADABLE as error:
            found.append(_Broken(str(one.get("title")), error, one.get("id")))
    return found


def _collected(parts: list[Any]) -> list[Any]:
    found = SigmaCollection.from_dicts(
        parts, collect_errors=True, collect_filters=True, resolve_references=False
    )
    return [*found.rules, *found.filters]


def _document(one: Any, name: str, placeholders: Placeholders) -> Document:
    if isinstance(one, _Broken):
        said = str(one.id or name)
        source = Logsource()
        return Rule(said, one.title, "medium", source, tree.FALSE, fault=_line(one.error))
    if one.errors:
        fault = _line(one.errors[0])
        return Rule(**_common(one, name), logsource=_logsource(one), condition=tree.FALSE, fault=fault)
    try:
        if isinstance(one, SigmaRule):
            return _rule(one, name, placeholders)
        if isinstance(one, SigmaFilter):
            return _filter(one, name, placeholders)
        if isinstance(one, SigmaCorrelationRule):
            return _correlation(one, name)
    except _UNREADABLE as error:
        fault = _line(error)
    else:
        fault = "no kind of rule that is known"
    return Rule(**_common(one, name), logsource=_logsource(one), condition=tree.FALSE, fault=fault)


def _rule(one: SigmaRule, name: str, placeholders: Placeholders) -> Rule:
    return Rule(
        **_common(one, name),
        logsource=_logsource(one),
        condition=_condition(one.detection, placeholders),
        name=one.name,
        examples=tuple(_examples(one.custom_attributes.get("examples"))),
    )


def _filter(one: SigmaFilter, name: str, placeholders: Placeholders) -> Filter:
    named = one.filter.rules
    return Filter(
        id=str(one.id or one.name or name),
        title=one.title,
        logsource=_logsource(one),
        condition=_condition(one.filter, placeholders),
        rules=None if isinstance(named, str) else tuple(rule.reference for rule in named),
    )


def _condition(detections: Any, placeholders: Placeholders) -> tree.Node:
    """Return all conditions of a rule, of which one suffices.

    Raises:
        Unusable: something in it is not supported.
    """
    made = tuple(node_of(one.parse(), placeholders) for one in detections.parsed_condition)
    return tree.simplify(tree.Any(made), lambda _leaf: None)


def _correlation(one: SigmaCorrelationRule, name: str) -> Correlation:
    if not isinstance(one.condition, SigmaCorrelationCondition):
        raise Unusable("a condition that joins rules by words is not supported")
    kind = str(one.type)
    if kind not in _COUNTED:
        raise Unusable(f"correlation type {kind} is not supported")
    if one.timespan.seconds > _LONGEST:
        raise Unusable(f"timespan {one.timespan.spec} is longer than {_LONGEST // 86_400} days")
    return Correlation(
        **_common(one, name),
        measure=kind,
        rules=tuple(rule.reference for rule in one.rules or ()),
        span=one.timespan.seconds * _SECOND,
        threshold=_threshold(one.condition),
        group_by=tuple(one.group_by or ()),
        aliases={
            alias.alias: {rule.reference: field for rule, field in alias.mapping.items()}
            for alias in one.aliases
        },
        generate=one.generate,
        name=one.name,
    )


def _threshold(condition: SigmaCorrelationCondition) -> Threshold:
    number, field = condition.count * _THOUSAND, condition.fieldref
    if isinstance(field, list):
        if len(field) != 1:
            raise Unusable("a count over several fields together is not supported")
        field = field[0]
    if condition.percentile is not None and not 1 <= condition.percentile <= 100:  # noqa: PLR2004 - a percentage
        raise Unusable(f"percentile {condition.percentile} is not from 1 to 100")
    operator: Any = condition.op.name.lower()
    return Threshold(operator, round(number), field, condition.percentile)


def _common(one: Any, name: str) -> dict[str, Any]:
    """Return what all kinds of rules have: identity, title, level, version, ATT&CK ids."""
    level = str(one.level) if one.level is not None else "medium"
    changed = one.modified or one.date
    return {
        "id": str(one.id or one.name or name),
        "title": one.title if isinstance(one.title, str) else name,
        "severity": level if level in _SEVERITIES else "medium",
        "version": int(changed.strftime("%Y%m%d")) if hasattr(changed, "strftime") else 1,
        "attack": tuple(_techniques(one.tags or ())),
    }


def _techniques(tags: Any) -> Iterator[str]:
    for tag in tags:
        said = str(tag.name).upper()
        if tag.namespace == "attack" and said[:1] == "T" and said[1:5].isdecimal():
            yield attack.present(said)


def _logsource(one: Any) -> Logsource:
    said = getattr(one, "logsource", None)
    if said is None:
        return Logsource()
    return Logsource(*(_lower(getattr(said, part)) for part in ("product", "category", "service")))


def _lower(text: Any) -> str | None:
    return text.lower() if isinstance(text, str) else None


def _examples(said: Any) -> Iterator[Example]:
    if said is None:
        return
    if not isinstance(said, dict) or not said.keys() <= {"hits", "misses"}:
        raise Unusable("examples: hits and misses, each a list of events, are looked for")
    for name, matches in (("hits", True), ("misses", False)):
        for event in (said.get(name) or ())[:_KEPT]:
            if not isinstance(event, dict):
                raise Unusable(f"examples: {name}: an event is a mapping of fields to values")
            yield Example({str(key): str(value) for key, value in event.items()}, matches)


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
