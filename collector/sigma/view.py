"""The contract of a view: how events of some of our kinds look in the words of a Sigma logsource. Pure.

A module in `views/` sets VIEWS and is found by being there. One event may have several views, as the Linux
audit system tells one execution in several records. A rule is judged in each view on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from evidence.kind import Body

from .document import Logsource

Basis = str | Callable[[Any], Any]
"""What of a body a field is made of: an attribute's name, or a function of the body. It must be hashable."""
Values = Mapping[str, str]
"""A record: Sigma's fields and their texts."""


def same(value: Any) -> str | None:
    """Return a value as text; unknown stays unknown."""
    return None if value is None else str(value)


class Field(msgspec.Struct, frozen=True):
    """A field: what it is made of, how that is shown as text, and which texts there can be, if only few.

    column is the lake's that holds the very same text.
    """

    basis: Basis
    show: Callable[[Any], str | None] = same
    choices: frozenset[str] | None = None
    column: str | None = None


def no_family(_name: str) -> Field | None:
    """Serve views whose fields are all named."""
    return None


def any_body(_body: Any) -> bool:
    """Serve views that all bodies of their kinds have."""
    return True


class View(msgspec.Struct, frozen=True):
    """One way in which bodies of kinds are seen.

    sensor names who makes them. serves are the logsources of rules that are judged by it. fixed are fields
    that are the same in every record; family makes fields of names that are not listed, such as a17. text is
    the whole record, in which keywords are looked for. has narrows to some bodies of the kinds. body makes a
    body that is seen with the fields given: the inverse, for witnesses. only_for: what names none of these
    fields is judged by other views of the same logsource.
    """

    name: str
    sensor: str
    kinds: tuple[type[Body], ...]
    serves: tuple[Logsource, ...]
    fields: Mapping[str, Field]
    text: Field
    body: Callable[[Values], Body]
    fixed: Mapping[str, str] = {}
    family: Callable[[str], Field | None] = no_family
    has: Callable[[Any], bool] = any_body
    only_for: frozenset[str] = frozenset()

    def field(self, name: str) -> Field | None:
        """Return how a field is made; None where this view has none of that name, or it is fixed."""
        return self.fields.get(name) or self.family(name)
