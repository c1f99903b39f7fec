"""A tree → one closure over a record's texts, as Sigma's specification compares them. Pure.

A record is two rows of texts at the same places, as they are and in lower case; None where a field is absent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import re2

from . import tree
from .address import is_in
from .required import expression

Row = Sequence[str | None]
Test = Callable[[Row, Row], bool]
"""Takes the texts and the same in lower case."""
Places = Mapping[str | None, int]
"""Where each field stands in a row; None is the record's whole text."""
_DIGITS = 40
"""Characters of a number that is compared."""


def compiled(node: tree.Node, places: Places) -> Test:
    """Return the tree as a function; every field of it must have a place."""
    if isinstance(node, tree.Constant):
        holds = node.holds
        return lambda _texts, _lower: holds
    if isinstance(node, tree.Not):
        inner = compiled(node.node, places)
        return lambda texts, lower: not inner(texts, lower)
    if isinstance(node, tree.All):
        return _all([compiled(one, places) for one in node.nodes])
    if isinstance(node, tree.Any):
        return _any(_alternatives(node.nodes, places))
    return _leaf(node, places)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:  # noqa: PLR2004 - the usual rule, and twice as fast as the loop
        first, second = tests
        return lambda texts, lower: first(texts, lower) and second(texts, lower)

    def test(texts: Row, lower: Row) -> bool:
        for one in tests:  # noqa: SIM110 - a generator costs more than the tests
            if not one(texts, lower):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(texts: Row, lower: Row) -> bool:
        for one in tests:  # noqa: SIM110 - as above
            if one(texts, lower):
                return True
        return False

    return test


Shape = tuple[str, str]
"""How a text is compared, and with what: equals, startswith, endswith, contains; pattern has wildcards."""


def shape(leaf: tree.Text) -> Shape:  # noqa: PLR0911 - one for each way
    """Return how a text is compared; a keyword is found anywhere."""
    parts = leaf.parts
    if leaf.field is None:
        parts = (tree.MANY, *parts, tree.MANY)
        parts = tuple(
            one for at, one in enumerate(parts) if not at or one != tree.MANY or parts[at - 1] != one
        )
    match parts:
        case ():
            return "equals", ""
        case (str(text),):
            return "equals", text
        case (tree.MANY, str(text), tree.MANY):
            return "contains", text
        case (str(text), tree.MANY):
            return "startswith", text
        case (tree.MANY, str(text)):
            return "endswith", text
        case (tree.MANY,):
            return "contains", ""
    return "pattern", "(?s)" + "".join(_EXPRESSIONS.get(one) or re2.escape(one) for one in parts)


_EXPRESSIONS: dict[str | int, str] = {tree.MANY: ".*", tree.ONE: "."}


def _alternatives(nodes: Sequence[tree.Node], places: Places) -> list[Test]:
    """Return a test for each node; texts of one field that are compared alike become one test."""
    alike: dict[tuple[int, str], list[str]] = {}
    tests: list[Test] = []
    for node in nodes:
        how = shape(node) if isinstance(node, tree.Text) and not node.cased else ("", "")
        if isinstance(node, tree.Text) and how[0] in ("equals", "startswith", "endswith", "contains"):
            alike.setdefault((places[node.field], how[0]), []).append(how[1].lower())
        else:
            tests.append(compiled(node, places))
    return [*(_several(at, how, texts) for (at, how), texts in alike.items()), *tests]


def _several(at: int, how: str, wanted: list[str]) -> Test:
    if len(wanted) == 1:
        return _single(at, how, wanted[0])
    ends = tuple(wanted)
    if how == "equals":
        same = frozenset(wanted)
        return lambda _texts, lower: lower[at] in same
    if how == "startswith":
        return lambda _texts, lower: (text := lower[at]) is not None and text.startswith(ends)
    if how == "endswith":
        return lambda _texts, lower: (text := lower[at]) is not None and text.endswith(ends)

    def contains(_texts: Row, lower: Row) -> bool:
        text = lower[at]
        if text is not None:
            for one in ends:
                if one in text:
                    return True
        return False

    return contains


def _single(at: int, how: str, wanted: str) -> Test:
    if how == "equals":
        return lambda _texts, lower: lower[at] == wanted
    if how == "startswith":
        return lambda _texts, lower: (text := lower[at]) is not None and text.startswith(wanted)
    if how == "endswith":
        return lambda _texts, lower: (text := lower[at]) is not None and text.endswith(wanted)
    return lambda _texts, lower: (text := lower[at]) is not None and wanted in text


def _leaf(leaf: tree.Leaf, places: Places) -> Test:  # noqa: PLR0911 - one for each type of leaf
    at = places[leaf.field]
    if isinstance(leaf, tree.Text):
        return _text(leaf, at)
    if isinstance(leaf, tree.Regex):
        return _regex(leaf, at)
    if isinstance(leaf, tree.Network):
        cidr = leaf.cidr
        return lambda texts, _lower: (text := texts[at]) is not None and is_in(text, cidr)
    if isinstance(leaf, tree.Compare):
        return _compare(leaf, at)
    if isinstance(leaf, tree.Empty):
        return lambda texts, _lower: not texts[at]
    if isinstance(leaf, tree.Exists):
        return lambda texts, _lower: texts[at] is not None
    if isinstance(leaf, tree.Reference):
        return _reference(leaf, at, places[leaf.other])
    return _moment(leaf, at)


def _regex(leaf: tree.Regex, at: int) -> Test:
    """Return a test that searches only where all is there that must be: a search takes up to 50 us."""
    search = re2.compile((f"(?{leaf.flags})" if leaf.flags else "") + leaf.pattern).search
    wanted = [tuple(texts) for texts in expression(leaf.pattern, leaf.flags)]

    def test(texts: Row, lower: Row) -> bool:
        text, in_lower = texts[at], lower[at]
        if text is None or in_lower is None:
            return False
        for some in wanted:
            if not any(one in in_lower for one in some):
                return False
        return search(text) is not None

    return test


def _text(leaf: tree.Text, at: int) -> Test:
    how, wanted = shape(leaf)
    if how == "pattern":
        whole = re2.compile(wanted if leaf.cased else _lowered(leaf)).fullmatch
        if leaf.cased:
            return lambda texts, _lower: (text := texts[at]) is not None and whole(text) is not None
        return lambda _texts, lower: (text := lower[at]) is not None and whole(text) is not None
    if not leaf.cased:
        return _single(at, how, wanted.lower())
    test = _single(at, how, wanted)
    return lambda texts, _lower: test(texts, texts)


def _lowered(leaf: tree.Text) -> str:
    parts = tuple(one.lower() if isinstance(one, str) else one for one in leaf.parts)
    return shape(tree.Text(leaf.field, parts))[1]


def number(text: str | None) -> float | int | None:
    """Return a text as a number; None where it is none."""
    if text is None or len(text) > _DIGITS:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


COMPARISONS: dict[tree.Operator, Callable[[float, float], bool]] = {
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "neq": lambda found, wanted: found != wanted,
}


def _compare(leaf: tree.Compare, at: int) -> Test:
    holds, wanted = COMPARISONS[leaf.operator], leaf.number

    def test(texts: Row, _lower: Row) -> bool:
        found = number(texts[at])
        return found is not None and holds(found, wanted)

    return test


def _reference(leaf: tree.Reference, at: int, other: int) -> Test:
    how = leaf.how

    def test(_texts: Row, lower: Row) -> bool:
        text, wanted = lower[at], lower[other]
        if text is None or wanted is None:
            return False
        if how == "equals":
            return text == wanted
        if how == "startswith":
            return text.startswith(wanted)
        return text.endswith(wanted) if how == "endswith" else wanted in text

    return test


def _moment(leaf: tree.Moment, at: int) -> Test:
    unit, wanted = leaf.unit, leaf.number

    def test(texts: Row, _lower: Row) -> bool:
        text = texts[at]
        if text is None:
            return False
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            return False
        return (moment.isocalendar().week if unit == "week" else getattr(moment, unit)) == wanted

    return test
