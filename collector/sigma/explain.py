"""Why a rule matches an event or does not: each part of its condition, in each view of the event. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from evidence.kind import Body

from . import tree
from .compile import Places, Row, compiled, shape
from .decide import reduced, views_of
from .document import Rule
from .judge import told
from .view import View

_SHOWN = 200


class Part(msgspec.Struct, frozen=True):
    """One part of a condition: how deep it stands, what it asks, whether it holds, and the field's text."""

    depth: int
    asks: str
    holds: bool
    text: str | None = None


class Explained(msgspec.Struct, frozen=True):
    """What a rule makes of an event in one view. parts are empty where the view settles all."""

    view: str
    matches: bool
    parts: tuple[Part, ...]


def explain(rule: Rule, body: Body) -> list[Explained]:
    """Return what the rule makes of a body, in each view that the body has."""
    return [
        _in_view(view, reduced(view, rule.condition), body)
        for view in views_of(rule.logsource)
        if isinstance(body, view.kinds) and view.has(body)
    ]


def _in_view(view: View, node: tree.Node, body: Body) -> Explained:
    names: list[str | None] = [*tree.fields(node), None]
    places: dict[str | None, int] = {name: at for at, name in enumerate(names)}
    texts = [_told(view, name, body) for name in names]
    lower = [text.lower() if text is not None else None for text in texts]
    parts = tuple(_parts(node, places, texts, lower))
    return Explained(view.name, compiled(node, places)(texts, lower), parts)


def _told(view: View, name: str | None, body: Body) -> str | None:
    field = view.text if name is None else view.field(name)
    return None if field is None else told(field, body)


def _parts(node: tree.Node, places: Places, texts: Row, lower: Row, depth: int = 0) -> list[Part]:
    holds = compiled(node, places)(texts, lower)
    if isinstance(node, tree.All | tree.Any):
        name = "all of" if isinstance(node, tree.All) else "any of"
        inner = [part for one in node.nodes for part in _parts(one, places, texts, lower, depth + 1)]
        return [Part(depth, name, holds), *inner]
    if isinstance(node, tree.Not):
        return [Part(depth, "not", holds), *_parts(node.node, places, texts, lower, depth + 1)]
    if isinstance(node, tree.Constant):
        return [Part(depth, "settled by the view", holds)]
    text = texts[places[node.field]]
    return [Part(depth, asks(node), holds, text[:_SHOWN] if text is not None else None)]


def asks(leaf: tree.Leaf) -> str:  # noqa: PLR0911 - one for each type of leaf
    """Return what a leaf asks, in words."""
    field = leaf.field or "the record"
    if isinstance(leaf, tree.Text):
        how, wanted = shape(leaf)
        written = _written(leaf.parts) if how == "pattern" else wanted
        return f"{field} {_HOW[how]} {written!r}" + (" (cased)" if leaf.cased else "")
    if isinstance(leaf, tree.Regex):
        return f"{field} matches /{leaf.pattern}/{leaf.flags}"
    if isinstance(leaf, tree.Network):
        return f"{field} is in {leaf.cidr}"
    if isinstance(leaf, tree.Compare):
        return f"{field} {leaf.operator} {leaf.number}"
    if isinstance(leaf, tree.Empty):
        return f"{field} is absent"
    if isinstance(leaf, tree.Exists):
        return f"{field} is there"
    if isinstance(leaf, tree.Reference):
        return f"{field} {leaf.how} the field {leaf.other}"
    return f"the {leaf.unit} of {field} is {leaf.number}"


_HOW = {
    "equals": "is",
    "startswith": "starts with",
    "endswith": "ends with",
    "contains": "contains",
    "pattern": "is like",
}


def _written(parts: tuple[Any, ...]) -> str:
    return "".join(part if isinstance(part, str) else "*" if part == tree.MANY else "?" for part in parts)
