"""A rule's condition as a tree of frozen nodes, to be kept, compiled and witnessed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Union

import msgspec

MANY, ONE = 0, 1
"""Wildcards among the parts of a text: any run of characters, exactly one."""
Parts = tuple[str | int, ...]
Operator = Literal["lt", "lte", "gt", "gte", "neq"]
Unit = Literal["minute", "hour", "day", "week", "month", "year"]


class _Node(msgspec.Struct, frozen=True, tag=True):
    """field None is a keyword: it may stand anywhere in the record's text."""


class Text(_Node, frozen=True):
    """The whole field is parts, in any case unless cased; a keyword is found anywhere."""

    field: str | None
    parts: Parts
    cased: bool = False


class Regex(_Node, frozen=True):
    """An expression is found anywhere in the field; flags are of i, m, s. Case matters unless flagged."""

    field: str | None
    pattern: str
    flags: str = ""


class Network(_Node, frozen=True):
    """The field is an address of the network (CIDR)."""

    field: str
    cidr: str


class Compare(_Node, frozen=True):
    """The field is a number that compares so."""

    field: str
    operator: Operator
    number: int | float


class Empty(_Node, frozen=True):
    """The field is absent, or an empty text."""

    field: str


class Exists(_Node, frozen=True):
    """The field is there."""

    field: str


class Reference(_Node, frozen=True):
    """The field equals another, or begins, ends with or contains it, in any case."""

    field: str
    other: str
    how: Literal["equals", "startswith", "endswith", "contains"] = "equals"


class Moment(_Node, frozen=True):
    """A part of the time (UTC) that the field tells is the number."""

    field: str
    unit: Unit
    number: int


class All(_Node, frozen=True):
    """Every one holds."""

    nodes: tuple[Node, ...]


class Any(_Node, frozen=True):
    """At least one holds."""

    nodes: tuple[Node, ...]


class Not(_Node, frozen=True):
    """It does not hold."""

    node: Node


class Constant(_Node, frozen=True):
    """What is known before an event is looked at."""

    holds: bool


Leaf = Union[Text, Regex, Network, Compare, Empty, Exists, Reference, Moment]  # noqa: UP007 - msgspec reads it
Node = Union[  # noqa: UP007 - msgspec reads it
    Text, Regex, Network, Compare, Empty, Exists, Reference, Moment, All, Any, Not, Constant
]
LEAVES = (Text, Regex, Network, Compare, Empty, Exists, Reference, Moment)
TRUE, FALSE = Constant(holds=True), Constant(holds=False)


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves of a tree, left to right."""
    if isinstance(node, All | Any):
        for one in node.nodes:
            yield from leaves(one)
    elif isinstance(node, Not):
        yield from leaves(node.node)
    elif not isinstance(node, Constant):
        yield node


def fields(node: Node) -> tuple[str, ...]:
    """Return the distinct fields that a tree asks for, in their order."""
    found: dict[str, None] = {}
    for leaf in leaves(node):
        if leaf.field is not None:
            found[leaf.field] = None
        if isinstance(leaf, Reference):
            found[leaf.other] = None
    return tuple(found)


def has_keywords(node: Node) -> bool:
    """Return whether a tree looks into the record's whole text."""
    return any(leaf.field is None for leaf in leaves(node))


def simplify(node: Node, decide: Callable[[Leaf], bool | None]) -> Node:
    """Return the tree with the leaves that decide knows as constants, and without what that makes idle."""
    if isinstance(node, Constant):
        return node
    if isinstance(node, Not):
        inner = simplify(node.node, decide)
        if isinstance(inner, Constant):
            return FALSE if inner.holds else TRUE
        return inner.node if isinstance(inner, Not) else Not(inner)
    if isinstance(node, All | Any):
        return _joined(node, decide)
    known = decide(node)
    if known is None:
        return node
    return TRUE if known else FALSE


def _joined(node: All | Any, decide: Callable[[Leaf], bool | None]) -> Node:
    """Return a junction without constants; one of its own kind within it is taken apart."""
    ends, kind = isinstance(node, Any), type(node)
    kept: dict[Node, None] = {}
    for one in node.nodes:
        made = simplify(one, decide)
        if isinstance(made, Constant):
            if made.holds is ends:
                return made
        elif isinstance(made, kind):
            kept |= dict.fromkeys(made.nodes)
        else:
            kept[made] = None
    if not kept:
        return FALSE if ends else TRUE
    return next(iter(kept)) if len(kept) == 1 else kind(tuple(kept))
