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
_OF_A_FIELD = 2
"""Texts that a rule is looked for by in one field, each in a number of its own."""
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
        narrowed: dict[int, list[int]] = {}
        for number, (node, places) in enumerate(nodes):
            bit, wanted = 1 << number, required(node)
            for place, both in _of_one_field(wanted, places).items():
                for at, one in enumerate(both):
                    narrowed.setdefault(place, [0, 0])[at] |= bit
                    for _field, text in one:
                        texts.setdefault(place, {}).setdefault(text, [0, 0, 0])[at] |= bit
            mixed = [one for one in wanted if len({field for field, _text in one}) != 1]
            if mixed:
                anywhere &= ~bit
            for field, text in max(mixed, key=rarity, default=()):
                texts.setdefault(places[field], {}).setdefault(text, [0, 0, 0])[2] |= bit
        self.start: Left = (every, anywhere)
        watches = [
            (place, _Watch(of, [every & ~one for one in narrowed.get(place, (0, 0))]))
            for place, of in texts.items()
        ]
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


def _of_one_field(wanted: Sequence[Wanted], places: Mapping[str | None, int]) -> dict[int, list[Wanted]]:
    """Return by place what is wanted of one field alone; where that is several, the two rarest."""
    found: dict[int, list[Wanted]] = {}
    for one in sorted(wanted, key=rarity, reverse=True):
        fields = {field for field, _text in one}
        if len(fields) == 1:
            of_field = found.setdefault(places[fields.pop()], [])
            if len(of_field) < _OF_A_FIELD and one not in of_field:
                of_field.append(one)
    return found


class _Watch:
    """The texts that rules want of one field."""

    def __init__(self, texts: Mapping[str, Sequence[int]], free: Sequence[int]) -> None:
        """Take for each text the rules that want it first, second, or beside others of any field.

        free has the rules that want no first, and those that want no second text of this field.
        """
        self._free = tuple(free)
        self._automaton = ahocorasick.Automaton()
        for text, rules in texts.items():
            self._automaton.add_word(text, tuple(rules))
        self._automaton.make_automaton()
        self._absent: Left = self._free[0] & self._free[1], 0
        self._memory: dict[str | None, Left] = {None: self._absent}

    def of(self, text: str | None) -> Left:
        """Return which rules a text leaves."""
        found = self._memory.get(text)
        if found is not None or text is None:
            return found or self._absent
        first, second = self._free
        somewhere = 0
        for _end, (one, other, beside) in self._automaton.iter(text.lower()):
            first |= one
            second |= other
            somewhere |= beside
        left = first & second, somewhere
        if len(text) <= _SHORT:
            add(self._memory, text, left, LIMIT)
        return left
