"""pySigma's conditions and values → nodes of a tree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import re2
from sigma import conditions, types
from sigma.types import CompareOperators, Placeholder, SigmaRegularExpressionFlag, SigmaString, SpecialChars

from . import tree
from .address import network

_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
_OPERATORS: dict[CompareOperators, tree.Operator] = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
    CompareOperators.NEQ: "neq",
}
_PATTERN_LIMIT = 4096
"""Characters of a regular expression."""


class Unusable(Exception):
    """A rule says something that is not supported; the message says what."""


def node_of(condition: Any, placeholders: Mapping[str, tuple[str, ...]]) -> tree.Node:
    """Return a parsed condition as a tree.

    Raises:
        Unusable: a value or operator is not supported, or a placeholder has no values.
    """
    if isinstance(condition, conditions.ConditionAND):
        return tree.All(tuple(node_of(one, placeholders) for one in condition.args))
    if isinstance(condition, conditions.ConditionOR):
        return tree.Any(tuple(node_of(one, placeholders) for one in condition.args))
    if isinstance(condition, conditions.ConditionNOT):
        return tree.Not(node_of(condition.args[0], placeholders))
    if isinstance(condition, conditions.ConditionFieldEqualsValueExpression):
        return _value(condition.field, condition.value, placeholders)
    if isinstance(condition, conditions.ConditionValueExpression):
        return _value(None, condition.value, placeholders)
    raise Unusable(f"condition {type(condition).__name__} is not supported")


def _value(  # noqa: PLR0911 - one for each type of value
    field: str | None, value: Any, placeholders: Mapping[str, tuple[str, ...]]
) -> tree.Node:
    if isinstance(value, types.SigmaExpansion):
        return tree.Any(tuple(_value(field, one, placeholders) for one in value.values))
    if isinstance(value, SigmaString):
        cased = isinstance(value, types.SigmaCasedString)
        return _any([tree.Text(field, _parts(one), cased) for one in _filled(value, placeholders)])
    if isinstance(value, types.SigmaRegularExpression):
        return _any([_regex(field, value, one) for one in _filled(value.regexp, placeholders)])
    if isinstance(value, types.SigmaTimestampPart):
        unit: Any = value.timestamp_part.name.lower()
        return tree.Moment(_bound(field), unit, int(value.number))
    if isinstance(value, types.SigmaNumber):
        return tree.Text(field, (str(value.number),))
    if isinstance(value, types.SigmaBool):
        return tree.Text(field, ("true" if value.boolean else "false",))
    return _of_field(_bound(field), value)


def _of_field(field: str, value: Any) -> tree.Node:  # noqa: PLR0911 - one for each type of value
    """Return what only makes sense of a field."""
    if isinstance(value, types.SigmaNull):
        return tree.Empty(field)
    if isinstance(value, types.SigmaExists):
        return tree.Exists(field) if value.exists else tree.Not(tree.Exists(field))
    if isinstance(value, types.SigmaCIDRExpression):
        return tree.Network(field, network(value.cidr))
    if isinstance(value, types.SigmaCompareExpression):
        return tree.Compare(field, _OPERATORS[value.op], value.number.number)
    if isinstance(value, types.SigmaFieldReference):
        if value.starts_with and value.ends_with:
            return tree.Reference(field, value.field, "contains")
        if value.starts_with:
            return tree.Reference(field, value.field, "startswith")
        return tree.Reference(field, value.field, "endswith" if value.ends_with else "equals")
    raise Unusable(f"a value of type {type(value).__name__} is not supported")


def _bound(field: str | None) -> str:
    if field is None:
        raise Unusable("this value needs a field")
    return field


def _any(nodes: list[tree.Node]) -> tree.Node:
    return nodes[0] if len(nodes) == 1 else tree.Any(tuple(nodes))


def _filled(text: SigmaString, placeholders: Mapping[str, tuple[str, ...]]) -> list[SigmaString]:
    """Return a text with each combination of the values of its placeholders.

    Raises:
        Unusable: the site gives a placeholder no values.
    """

    def values(one: Placeholder) -> Iterator[str]:
        found = placeholders.get(one.name)
        if not found:
            raise Unusable(f"placeholder %{one.name}% has no values: set them under sigma_placeholders")
        yield from found

    return text.replace_placeholders(values)


def _parts(text: SigmaString) -> tree.Parts:
    made: list[str | int] = []
    for part in text.s:
        if isinstance(part, str):
            if made and isinstance(made[-1], str):
                made[-1] += part
            else:
                made.append(part)
        elif part is SpecialChars.WILDCARD_SINGLE:
            made.append(tree.ONE)
        elif not made or made[-1] != tree.MANY:
            made.append(tree.MANY)
    return tuple(made)


def _regex(field: str | None, value: types.SigmaRegularExpression, text: SigmaString) -> tree.Regex:
    pattern = text.to_plain_regex()
    if len(pattern) > _PATTERN_LIMIT:
        raise Unusable(f"a regular expression of {len(pattern)} characters, more than {_PATTERN_LIMIT}")
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    try:
        re2.compile(pattern)
    except re2.error as error:
        raise Unusable(f"regular expression: {error}: it has no bound in time, or is wrong") from error
    return tree.Regex(field, pattern, flags)
