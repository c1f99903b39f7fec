"""Which rules of several views an event may match: looked up for each thing they are made of by itself. Pure.

A command line is new for half of all programs that are run, while program, parent and folder come again. So
what a rule wants is remembered by attribute, and not by what they are together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

from ..bounded import add
from . import tree
from .prefilter import Left, Prefilter, Watch, numbers
from .view import Field

LIMIT = 20_000
"""What is remembered of one attribute."""
Wanting = tuple[tree.Node, Mapping[str | None, Field]]
"""A rule's condition, and by name the fields that it looks at."""


class Looks:
    """Tells which of several conditions an event's body may match, by their numbers."""

    def __init__(self, wanting: Sequence[Wanting]) -> None:
        fields = list(dict.fromkeys(field for _node, named in wanting for field in named.values()))
        place = {field: at for at, field in enumerate(fields)}
        prefilter = Prefilter(
            [(node, {name: place[field] for name, field in named.items()}) for node, named in wanting]
        )
        self._start = prefilter.start
        watched: dict[Any, list[tuple[Field, Watch]]] = {}
        for at, watch in prefilter.watches:
            watched.setdefault(fields[at].basis, []).append((fields[at], watch))
        attributes = [_Attribute(basis, of) for basis, of in watched.items()]
        self._attributes = tuple((one.get, one.memory, one.look) for one in attributes)

    def of(self, bodies: Sequence[Any]) -> tuple[dict[int, list[int]], int]:
        """Return, by places, the numbers for bodies that may match any; and how many were remembered.

        One attribute of all bodies comes after another: what is looked at stays in the processor's cache.
        """
        columns: list[list[Left]] = []
        fresh: set[int] = set()
        for get, memory, look in self._attributes:
            values = list(map(get, bodies))
            found = list(map(memory.get, values))
            if None in found:
                for at in [at for at, one in enumerate(found) if one is None]:
                    found[at] = look(values[at])
                    fresh.add(at)
            columns.append(found)  # type: ignore[arg-type]  # none is None any more
        kept: dict[int, list[int]] = {}
        for at, row in enumerate(zip(*columns, strict=True) if columns else repeat((), len(bodies))):
            left, anywhere = self._start
            for of_field, somewhere in row:
                left &= of_field
                anywhere |= somewhere
            if left & anywhere:
                kept[at] = numbers(left & anywhere)
        return kept, len(bodies) - len(fresh)


class _Attribute:
    """What of a body some fields are made of, with what rules want of these."""

    def __init__(self, basis: str | Callable[[Any], Any], fields: Sequence[tuple[Field, Watch]]) -> None:
        self.get = attrgetter(basis) if isinstance(basis, str) else basis
        self.memory: dict[Any, Left] = {}
        self._fields = tuple((field.show, watch) for field, watch in fields)

    def look(self, value: Any) -> Left:
        """Return what a value leaves, and remember it."""
        known = self.memory.get(value)
        if known is not None:
            return known
        shown = [watch(show(value)) for show, watch in self._fields]
        left, anywhere = shown[0]
        for of_field, somewhere in shown[1:]:
            left &= of_field
            anywhere |= somewhere
        add(self.memory, value, (left, anywhere), LIMIT)
        return left, anywhere
