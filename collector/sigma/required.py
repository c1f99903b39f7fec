"""What a matching text must hold: for each field texts in lower case, of which one is there. Pure."""

from __future__ import annotations

import re
import re._parser as parser  # type: ignore[import-not-found]  # the standard library's own reader
from collections.abc import Iterable, Iterator
from typing import Any

from . import tree

Wanted = frozenset[tuple[str | None, str]]
"""Fields and texts, of which one field holds its text; field None is the record's whole text."""
_UNLIKE = ("[:", "\\0", "\\1", "\\2", "\\3", "\\4", "\\5", "\\6", "\\7", "\\8", "\\9")
"""What the engine that matches may read in another way than the standard library does."""
_FOLDED = frozenset("ks")
"""Letters that, in any case, are more characters than two."""


def required(node: tree.Node) -> list[Wanted]:
    """Return what all must be there of a record that matches; of what cannot be told, nothing."""
    if isinstance(node, tree.Text):
        longest = max((part.lower() for part in node.parts if isinstance(part, str)), key=len, default="")
        return [frozenset({(node.field, longest)})] if longest else []
    if isinstance(node, tree.Regex):
        found = expression(node.pattern, node.flags)
        return [frozenset((node.field, text) for text in texts) for texts in found]
    if isinstance(node, tree.All):
        return [wanted for one in node.nodes for wanted in required(one)]
    if isinstance(node, tree.Any):
        rarest = [max(required(one), key=rarity, default=None) for one in node.nodes]
        known = [wanted for wanted in rarest if wanted is not None]
        return [frozenset().union(*known)] if len(known) == len(rarest) else []
    return [frozenset()] if node == tree.FALSE else []


def rarity(wanted: Wanted) -> tuple[int, int]:
    """Return how seldom it is there: what has the longest shortest text lets the fewest by."""
    return min((len(text) for _field, text in wanted), default=0), -len(wanted)


def expression(pattern: str, flags: str = "") -> tuple[frozenset[str], ...]:
    """Return sets of texts in lower case: of each one is in the lower case of all the expression matches."""
    if any(one in pattern for one in _UNLIKE):
        return ()
    try:
        parsed = parser.parse(f"(?{flags}){pattern}" if flags else pattern)
    except (re.error, RecursionError, OverflowError):
        return ()
    return tuple(_of_all(parsed, parsed.state.flags))


def _of_all(parsed: Iterable[Any], flags: int) -> Iterator[frozenset[str]]:
    """Yield of each part that must be there the texts of which one is."""
    run = ""
    for operation, of in parsed:
        if operation is parser.LITERAL and (letter := _letter(of, flags)):
            run += letter
            continue
        if run:
            yield frozenset({run})
            run = ""
        yield from _of_one(operation, of, flags)
    if run:
        yield frozenset({run})


def _letter(code: int, flags: int) -> str:
    """Return a character that is one in lower case as well; nothing for another."""
    letter = chr(code).lower()
    return letter if letter.isascii() and not (flags & re.IGNORECASE and letter in _FOLDED) else ""


def _of_one(operation: Any, of: Any, flags: int) -> Iterator[frozenset[str]]:
    if operation is parser.SUBPATTERN:
        _group, added, removed, inner = of
        yield from _of_all(inner, (flags | added) & ~removed)
    elif operation in (parser.MAX_REPEAT, parser.MIN_REPEAT) and of[0] > 0:
        yield from _of_all(of[2], flags)
    elif operation is parser.BRANCH:
        found = [max(_of_all(one, flags), key=_shortest, default=frozenset()) for one in of[1]]
        if all(found):
            yield frozenset().union(*found)


def _shortest(texts: frozenset[str]) -> tuple[int, int]:
    return min(map(len, texts), default=0), -len(texts)
