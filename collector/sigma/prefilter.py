"""Which rules can match at all: what each field must hold is looked for in it, all rules at once. Pure.

A set of rules is a number with a bit for each. A field's text leaves the rules that want nothing of it, and
those for which it holds one of the texts that they want; what all fields leave is worth a look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ahocorasick

from ..bounded import add
from . import tree
from .required import Wanted, rarity, required

LIMIT = 10_000
"""Texts of one field that are remembered with what they leave."""
_SHORT = 80
"""Characters: longer texts, as command lines, hardly come again."""
Left = tuple[int, int]
"""The rules that a text leaves, and those for which it holds one of what may be in any of several fields."""
Watch = Callable[[str | None], Left]
"""Looks through one field's text."""


class Prefilter:
    """Tells which of several trees a record may match, by their numbers."""

    def __init__(self, nodes: Sequence[tuple[tree.Node, Mapping[str | None, int]]]) -> None:
        """Build an automaton for each field; a tree comes with the places of its fields in a row of texts."""
        every = anywhere = (1 << len(nodes)) - 1
        texts: dict[int, dict[str, list[int]]] = {}
        narrowed: dict[int, int] = {}
        for number, (node, places) in enumerate(nodes):
            bit, wanted = 1 << number, required(node)
            for place, one in _of_one_field(wanted, places).items():
                narrowed[place] = narrowed.get(place, 0) | bit
                for _field, text in one:
                    texts.setdefault(place, {}).setdefault(text, [0, 0])[0] |= bit
            mixed = [one for one in wanted if len({field for field, _text in one}) != 1]
            if mixed:
                anywhere &= ~bit
            for field, text in max(mixed, key=rarity, default=()):
                texts.setdefault(places[field], {}).setdefault(text, [0, 0])[1] |= bit
        self.start: Left = (every, anywhere)
        watches = [(place, _Watch(of, every & ~narrowed.get(place, 0))) for place, of in texts.items()]
        self.watches: tuple[tuple[int, Watch], ...] = tuple((place, watch.of) for place, watch in watches)

    def candidates(self, texts: Sequence[str | None]) -> list[int]:
        """Return the numbers of the trees that a row of texts may match, in order."""
        left, anywhere = self.start
        for place, watched in self.watches:
            of_text, somewhere = watched(texts[place])
            left &= of_text
            anywhere |= somewhere
        left &= anywhere
        return numbers(left) if left else []


def numbers(of: int) -> list[int]:
    """Return the numbers of the bits that are set, in order."""
    found: list[int] = []
    while of:
        lowest = of & -of
        found.append(lowest.bit_length() - 1)
        of ^= lowest
    return found


def _of_one_field(wanted: Sequence[Wanted], places: Mapping[str | None, int]) -> dict[int, Wanted]:
    """Return by place what is wanted of one field alone; where that is several, the rarest."""
    found: dict[int, Wanted] = {}
    for one in sorted(wanted, key=rarity):
        fields = {field for field, _text in one}
        if len(fields) == 1:
            found[places[fields.pop()]] = one
    return found


class _Watch:
    """The texts that rules want of one field."""

    def __init__(self, texts: Mapping[str, Sequence[int]], free: int) -> None:
        """Take for each text the rules it is for, alone and beside others; free want none of this field."""
        self._free = free
        self._automaton = ahocorasick.Automaton()
        for text, (alone, beside) in texts.items():
            self._automaton.add_word(text, (alone, beside))
        self._automaton.make_automaton()
        self._memory: dict[str | None, Left] = {None: (free, 0)}

    def of(self, text: str | None) -> Left:
        """Return which rules a text leaves."""
        found = self._memory.get(text)
        if found is not None or text is None:
            return found or (self._free, 0)
        left, somewhere = self._free, 0
        for _end, (alone, beside) in self._automaton.iter(text.lower()):
            left |= alone
            somewhere |= beside
        if len(text) <= _SHORT:
            add(self._memory, text, (left, somewhere), LIMIT)
        return left, somewhere
