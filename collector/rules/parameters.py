"""Parameters of rules as people read and set them: type, unit, range, what a text means. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from ..errors import QueryError
from ..rule import Parameter, Rule, Value

Type = Literal["integer", "number", "words"]
WORDS_LIMIT = 4096
"""Characters of a list of words."""
_RANGES: dict[str, tuple[int, int]] = {
    "seconds": (1, 366 * 86_400),
    "days": (1, 3650),
    "hours": (0, 24),
    "bytes": (0, 1 << 50),
    "thousandths": (0, 1_000_000),
    "percent": (0, 100),
    "points": (1, 1_000_000),
    "characters": (1, 1000),
    "matches": (0, 4095),
    "values": (0, 4095),
    "amount": (0, 10**12),
}
"""By the first word of a unit: values that mean something."""
_COUNT = (1, 1_000_000)
"""The range of what is counted."""


class Described(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter of a rule. least and most are the range of a number, both allowed."""

    rule: str
    name: str
    type: Type
    unit: str
    default: Value
    why: str
    least: int | None = None
    most: int | None = None


def catalogue(rules: Iterable[Rule]) -> list[Described]:
    """Return every parameter of these rules, in their order."""
    return [described(rule.id, one) for rule in rules for one in rule.parameters]


def described(rule: str, one: Parameter) -> Described:
    """Return a rule's parameter with its type and range."""
    if isinstance(one.default, str):
        return Described(rule, one.name, "words", one.unit, one.default, one.why)
    least, most = _RANGES.get(one.unit.split(" ", 1)[0], _COUNT)
    kind: Type = "integer" if isinstance(one.default, int) else "number"
    return Described(rule, one.name, kind, one.unit, one.default, one.why, least, most)


def find(known: Sequence[Described], rule: str, name: str) -> Described:
    """Return a rule's parameter by name.

    Raises:
        QueryError: there is no such rule or parameter; says which there are.
    """
    of_rule = [one for one in known if one.rule == rule]
    if not of_rule:
        raise QueryError(f"rule: {rule[:80]!r} has no parameters, or is no rule")
    for one in of_rule:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in of_rule)
    raise QueryError(f"parameter: {rule} has no {name[:80]!r}; it has {names}")


def value(one: Described, text: str) -> Value:
    """Return what a text means as this parameter's value; list of words are kept as they are.

    Raises:
        QueryError: it is of another type, or out of range; names range and unit.
    """
    if one.type == "words":
        if len(text) > WORDS_LIMIT or not text.isprintable():
            raise QueryError(
                f"{one.name}: give {one.unit}, separated by spaces, at most {WORDS_LIMIT} characters"
            )
        return " ".join(text.split())
    try:
        number = int(text.replace("_", "")) if one.type == "integer" else float(text)
    except ValueError as error:
        raise QueryError(f"{one.name}: {text[:40]!r} is no {one.type} of {one.unit}") from error
    if one.least is None or one.most is None or not one.least <= number <= one.most:
        raise QueryError(f"{one.name}: {text[:40]} is not within {one.least} to {one.most} {one.unit}")
    return number
