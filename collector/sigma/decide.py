"""What of a tree is settled by a view alone: fields it has not, and those that are always the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from evidence.kind import kind_of

from . import tree
from .compile import compiled
from .document import Correlation, Logsource, Rule
from .view import View
from .views import ALL


def reduced(view: View, node: tree.Node) -> tree.Node:
    """Return the tree as this view's records leave it."""
    if view.only_for and view.only_for.isdisjoint(tree.fields(node)):
        return tree.FALSE
    return tree.simplify(node, lambda leaf: _decided(view, leaf))


def _decided(view: View, leaf: tree.Leaf) -> bool | None:
    if leaf.field is None:
        return None
    if isinstance(leaf, tree.Reference):
        return _compared(view, leaf)
    field = view.field(leaf.field)
    if field is None:
        return _holds(leaf, (view.fixed.get(leaf.field),), {leaf.field: 0})
    if field.choices is not None and not isinstance(leaf, tree.Empty | tree.Exists):
        can = any(_holds(leaf, (one,), {leaf.field: 0}) for one in field.choices)
        return None if can else False
    return None


def _compared(view: View, leaf: tree.Reference) -> bool | None:
    """Return what a comparison is of two fields that are always the same, or of one that is never there."""
    names = (leaf.field, leaf.other)
    settled = [name for name in names if view.field(name) is None]
    if any(name not in view.fixed for name in settled):
        return False
    if len(settled) < len(names):
        return None
    return _holds(leaf, tuple(view.fixed[name] for name in names), {leaf.field: 0, leaf.other: 1})


def _holds(leaf: tree.Leaf, texts: tuple[str | None, ...], places: dict[str | None, int]) -> bool:
    lower = tuple(text.lower() if text is not None else None for text in texts)
    return compiled(leaf, places)(texts, lower)


def views_of(source: Logsource) -> tuple[View, ...]:
    """Return the views by which rules of a logsource are judged; a category alone is any product's."""
    anywhere = source.product is None and source.category is not None
    wanted = Logsource("linux", source.category, source.service) if anywhere else source
    return tuple(view for view in ALL if wanted in view.serves)


def kinds_of(source: Logsource) -> tuple[str, ...]:
    """Return the kinds of events that rules of a logsource are judged on, as they stand on the wire."""
    return tuple(sorted({kind_of(kind) for view in views_of(source) for kind in view.kinds}))


def unknown_fields(source: Logsource, node: tree.Node) -> tuple[str, ...]:
    """Return the fields that a rule asks for and no view of its logsource has."""
    views = views_of(source)
    return tuple(
        name
        for name in tree.fields(node)
        if not any(view.field(name) is not None or name in view.fixed for view in views)
    )


SHARED = frozenset({"host", "hostname", "ComputerName", "Computer", "agent", "person"})
"""Names that every event has, whatever view it is seen in: its host, agent, and who is behind it."""


def unfit(correlation: Correlation, rules: Mapping[str, Rule]) -> str | None:
    """Return which field a correlation asks for that a rule of it cannot give; None where there is none."""
    wanted = [*correlation.group_by, *([correlation.threshold.field] if correlation.threshold.field else ())]
    for name in wanted:
        for rule in correlation.rules:
            field = correlation.aliases.get(name, {}).get(rule, name)
            if field not in SHARED and not any(view.field(field) for view in views_of(rules[rule].logsource)):
                return f"no sensor tells {field} for rule {rule}"
    return None
