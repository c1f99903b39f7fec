"""An event that a rule must match, made of the rule's own tree, and one that differs in one field. Pure.

Both are bodies of our kinds, made by the view that the rule is seen in. Nothing here says that a rule
matches: who asks judges the bodies as any other event.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec

from evidence.kind import Body

from . import tree
from .address import network
from .compile import COMPARISONS
from .sample import sample
from .view import View

_BRANCHES = 64
"""Ways to satisfy a tree that are tried."""
_FILLER = "x"
Wanted = tuple[tree.Leaf, ...]


class Witness(msgspec.Struct, frozen=True):
    """A body that may match, and the fields it was made of."""

    values: dict[str, str]
    body: Body


def witnesses(view: View, node: tree.Node) -> Iterator[Witness]:
    """Yield bodies made to satisfy a tree, as reduced for the view: most satisfy it, not all."""
    for wanted in itertools.islice(_branches(node), _BRANCHES):
        for values in _assignments(wanted):
            yield _made(view, values)


def contraries(view: View, node: tree.Node, witness: Witness) -> Iterator[Witness]:
    """Yield bodies that differ from a witness in one field: another text there, or none."""
    for name in dict.fromkeys((*witness.values, *tree.fields(node))):
        rest = {key: text for key, text in witness.values.items() if key != name}
        if name in witness.values:
            yield _made(view, rest)
        for other in _others(view, name):
            if other != witness.values.get(name):
                yield _made(view, {**rest, name: other})


def _others(view: View, name: str) -> Sequence[str]:
    field = view.field(name)
    if field is not None and field.choices is not None:
        return sorted(field.choices)
    return ("/nowhere/else", "1")


def _made(view: View, values: dict[str, str]) -> Witness:
    return Witness(values, view.body(values))


def _branches(node: tree.Node) -> Iterator[Wanted]:
    """Yield sets of leaves that together satisfy a tree; what must not hold is left to chance."""
    if isinstance(node, tree.All):
        for parts in itertools.product(*(list(itertools.islice(_branches(one), 8)) for one in node.nodes)):
            yield tuple(itertools.chain.from_iterable(parts))
    elif isinstance(node, tree.Any):
        for one in node.nodes:
            yield from _branches(one)
    elif isinstance(node, tree.Not):
        yield from _denied(node.node)
    elif isinstance(node, tree.Constant):
        if node.holds:
            yield ()
    else:
        yield (node,)


def _denied(node: tree.Node) -> Iterator[Wanted]:
    """Yield what makes a tree not hold, where that takes a field to be there."""
    if isinstance(node, tree.Empty):
        yield (tree.Exists(node.field),)
    elif isinstance(node, tree.Any) and any(isinstance(one, tree.Empty) for one in node.nodes):
        yield tuple(tree.Exists(one.field) for one in node.nodes if isinstance(one, tree.Empty))
    else:
        yield ()


def _assignments(wanted: Wanted) -> Iterator[dict[str, str]]:
    """Yield a text for each field, that holds all that is wanted of it where that can be."""
    of_field: dict[str | None, list[tree.Leaf]] = {}
    for leaf in wanted:
        of_field.setdefault(leaf.field, []).append(leaf)
    for filler in (_FILLER, ""):
        values: dict[str, str] = {}
        for field, leaves in of_field.items():
            text = _text(leaves, filler)
            if text is not None:
                values["text" if field is None else field] = text
        for leaf in wanted:
            if isinstance(leaf, tree.Reference):
                values.setdefault(leaf.other, _FILLER)
                values[leaf.field] = values[leaf.other]
        yield values


def _text(leaves: list[tree.Leaf], filler: str) -> str | None:
    """Return a text that all leaves may accept: what it begins with, what it holds, what it ends with."""
    begin, end, middle = "", "", []
    numbers = [leaf for leaf in leaves if isinstance(leaf, tree.Compare)]
    if numbers:
        return _number(numbers)
    for leaf in leaves:
        if isinstance(leaf, tree.Empty):
            return None
        text = _alone(leaf, filler)
        if not isinstance(leaf, tree.Text):
            middle.append(text)
        elif len(leaf.parts) > 1 and leaf.parts[0] != tree.MANY and leaf.parts[-1] == tree.MANY:
            begin = max(begin, text.removesuffix(filler), key=len)
        elif len(leaf.parts) > 1 and leaf.parts[-1] != tree.MANY and leaf.parts[0] == tree.MANY:
            end = max(end, text.removeprefix(filler), key=len)
        elif tree.MANY not in (leaf.parts[:1] + leaf.parts[-1:]) and leaf.field is not None:
            return text
        elif text not in middle:
            middle.append(text)
    return begin + "".join(middle) + end


def _alone(leaf: tree.Leaf, filler: str) -> str:
    """Return a text that satisfies one leaf."""
    if isinstance(leaf, tree.Text):
        shown = {tree.MANY: filler, tree.ONE: _FILLER}
        return "".join(part if isinstance(part, str) else shown[part] for part in leaf.parts)
    if isinstance(leaf, tree.Regex):
        return sample(leaf.pattern)
    if isinstance(leaf, tree.Network):
        return network(leaf.cidr).partition("/")[0]
    if isinstance(leaf, tree.Moment):
        return _moment(leaf)
    return _FILLER


def _number(leaves: list[tree.Compare]) -> str:
    """Return a number that is on the right side of all."""
    tried = [int(leaf.number) + step for leaf in leaves for step in (0, 1, -1)]
    fitting = (one for one in tried if all(COMPARISONS[leaf.operator](one, leaf.number) for leaf in leaves))
    return str(next(fitting, tried[0]))


def _moment(leaf: tree.Moment) -> str:
    parts = {"year": 2026, "month": 1, "day": 1, "hour": 0, "minute": 0} | {leaf.unit: leaf.number}
    if leaf.unit == "week":
        parts |= {"month": min(12, 1 + leaf.number // 5), "day": 1 + 7 * leaf.number % 28}
    return "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00".format(**parts)
