"""Which rules can match at all: all their literals are looked for at once in a record's text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import ahocorasick

from . import tree

_APART = "\n"


def literals(node: tree.Node) -> frozenset[str] | None:
    """Return texts in lower case of which a matching record holds at least one; None: nothing can be said.

    Of what all must hold, the branch counts whose shortest literal is the longest: it lets the fewest by.
    """
    if isinstance(node, tree.Text):
        return _longest(node)
    if isinstance(node, tree.Any):
        found = [literals(one) for one in node.nodes]
        if None in found:
            return None
        return frozenset().union(*(one for one in found if one is not None))
    if isinstance(node, tree.All):
        known = [one for one in map(literals, node.nodes) if one]
        return max(known, key=_shortest, default=None)
    return frozenset() if node == tree.FALSE else None


def _longest(leaf: tree.Text) -> frozenset[str] | None:
    longest = max((part.lower() for part in leaf.parts if isinstance(part, str)), key=len, default="")
    return frozenset({longest}) if longest else None


def _shortest(found: frozenset[str]) -> tuple[int, int]:
    return min(map(len, found)), -len(found)


class Prefilter:
    """Tells which of several trees a record may match, by their numbers."""

    def __init__(self, nodes: Sequence[tree.Node]) -> None:
        """Build one automaton of all literals; trees without one are always worth a look."""
        wanted: dict[str, list[int]] = {}
        always: list[int] = []
        for number, node in enumerate(nodes):
            found = literals(node)
            if found is None:
                always.append(number)
            for text in found or ():
                wanted.setdefault(text, []).append(number)
        self._always = frozenset(always)
        self._automaton = ahocorasick.Automaton()
        for text, numbers in wanted.items():
            self._automaton.add_word(text, tuple(numbers))
        if wanted:
            self._automaton.make_automaton()
        self._is_empty = not wanted

    def candidates(self, lower: Sequence[str | None]) -> list[int]:
        """Return the numbers of the trees that these texts, in lower case, may match, in order."""
        if self._is_empty:
            return sorted(self._always)
        found = set(self._always)
        update = found.update
        for _end, numbers in self._automaton.iter(_APART.join([text for text in lower if text])):
            update(numbers)
        return sorted(found)
