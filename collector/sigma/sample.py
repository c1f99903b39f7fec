"""A text in which a regular expression is found, as short as it can easily be. Pure."""

from __future__ import annotations

import re._constants as kinds  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from typing import Any

_CLASSES = {
    kinds.CATEGORY_DIGIT: "7",
    kinds.CATEGORY_SPACE: " ",
    kinds.CATEGORY_WORD: "w",
    kinds.CATEGORY_NOT_DIGIT: "x",
    kinds.CATEGORY_NOT_SPACE: "x",
    kinds.CATEGORY_NOT_WORD: "-",
}
_PRINTABLE = "xX7 -/_.:=\n"
"""What is tried for a set that is told by what is not in it."""
_LONGEST = 1 << 16
"""Characters of a text."""


def sample(pattern: str) -> str:
    """Return a text that the expression should be found in; empty where none is easily told."""
    try:
        return _of(parser.parse(pattern), {})
    except (ValueError, RecursionError, OverflowError, parser.error):
        return ""


def _of(items: Any, groups: dict[int, str]) -> str:
    """Return a text for parts in a row.

    Raises:
        OverflowError: it is too long; repeats of repeats soon are.
    """
    made = ""
    for kind, what in items:
        made += _one(kind, what, groups)
        if len(made) > _LONGEST:
            raise OverflowError
    return made


def _one(kind: Any, what: Any, groups: dict[int, str]) -> str:  # noqa: PLR0911 - one for each kind
    if kind is kinds.LITERAL:
        return chr(what)
    if kind is kinds.NOT_LITERAL:
        return "x" if what != ord("x") else "X"
    if kind is kinds.ANY:
        return "x"
    if kind is kinds.IN:
        return _member(what)
    if kind is kinds.BRANCH:
        return _of(what[1][0], groups)
    if kind is kinds.SUBPATTERN:
        groups[what[0] or 0] = found = _of(what[3], groups)
        return found
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
        return _repeated(_of(what[2], groups), max(int(what[0]), 1 if what[1] else 0))
    return groups.get(what, "") if kind is kinds.GROUPREF else ""


def _repeated(part: str, times: int) -> str:
    if len(part) * times > _LONGEST:
        raise OverflowError
    return part * times


def _member(what: Any) -> str:
    """Return one character of a set."""
    kind, value = what[0]
    if kind is kinds.NEGATE:
        return next((one for one in _PRINTABLE if not _holds(what[1:], one)), "x")
    if kind is kinds.RANGE:
        return chr(value[0])
    return _CLASSES.get(value, "x") if kind is kinds.CATEGORY else chr(value)


def _holds(what: Any, one: str) -> bool:
    for kind, value in what:
        if kind is kinds.LITERAL and chr(value) == one:
            return True
        if kind is kinds.RANGE and value[0] <= ord(one) <= value[1]:
            return True
        if kind is kinds.CATEGORY and _in_category(value, one):
            return True
    return False


def _in_category(category: Any, one: str) -> bool:
    if category is kinds.CATEGORY_DIGIT:
        return one.isdigit()
    if category is kinds.CATEGORY_SPACE:
        return one.isspace()
    return category is kinds.CATEGORY_WORD and (one.isalnum() or one == "_")
