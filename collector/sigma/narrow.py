"""A rule as SQL over the lake's events: a condition that each matching row meets, and few others. Pure.

It only narrows. What it lets through is judged by the same closures as in the stream, so that both agree; so
it must never leave out a match: what has no exact form in a column is left open.
"""

from __future__ import annotations

import msgspec

from evidence.kind import kind_of

from . import tree
from .decide import reduced, views_of
from .document import Rule
from .view import View

_PARTS_LIMIT = 500
"""Conditions of one rule; a rule with more is narrowed by kind alone."""


class Sql(msgspec.Struct, frozen=True):
    """A condition with its values, in the order of their question marks."""

    text: str
    values: tuple[str, ...] = ()


def narrowed(rule: Rule) -> Sql | None:
    """Return the condition that rows of all events the rule matches meet; None where no row can."""
    found: list[Sql] = []
    for view in views_of(rule.logsource):
        node = reduced(view, rule.condition)
        if node != tree.FALSE:
            found.append(_of_view(view, node))
    return any_of(found) if found else None


def _of_view(view: View, node: tree.Node) -> Sql:
    kinds = tuple(kind_of(kind) for kind in view.kinds)
    of_kind = Sql(f"kind IN ({', '.join('?' * len(kinds))})", kinds)
    if sum(1 for _ in tree.leaves(node)) > _PARTS_LIMIT:
        return of_kind
    further = _of(view, node)
    return of_kind if further is None else _all([of_kind, further])


def _of(view: View, node: tree.Node) -> Sql | None:
    """Return what rows must meet; None where nothing can be said of them."""
    if isinstance(node, tree.All):
        known = [one for one in (_of(view, of) for of in node.nodes) if one is not None]
        return _all(known) if known else None
    if isinstance(node, tree.Any):
        parts = [_of(view, of) for of in node.nodes]
        return None if None in parts else any_of([one for one in parts if one is not None])
    if isinstance(node, tree.Text | tree.Regex):
        return _leaf(view, node)
    return None


def _leaf(view: View, leaf: tree.Text | tree.Regex) -> Sql | None:
    field = view.text if leaf.field is None else view.field(leaf.field)
    if field is None or field.column is None:
        return None
    if isinstance(leaf, tree.Regex):
        flagged = (f"(?{leaf.flags})" if leaf.flags else "") + leaf.pattern
        return Sql(f"regexp_matches({field.column}, ?)", (flagged,))
    literal = max((part.lower() for part in leaf.parts if isinstance(part, str)), key=len, default="")
    if not _is_plain(literal):
        return None
    return Sql(f"contains(lower({field.column}), ?)", (literal,))


def _is_plain(literal: str) -> bool:
    """Return whether SQL's lower case of a text is Python's, as it is of ASCII."""
    return bool(literal) and literal.isascii() and literal.isprintable()


def _all(parts: list[Sql]) -> Sql:
    return Sql(
        " AND ".join(f"({one.text})" for one in parts), tuple(value for one in parts for value in one.values)
    )


def any_of(parts: list[Sql]) -> Sql:
    """Return the condition that rows meet which meet one of the parts; no row meets none of none."""
    if not parts:
        return Sql("false")
    return Sql(
        " OR ".join(f"({one.text})" for one in parts), tuple(value for one in parts for value in one.values)
    )
