"""The trigger of a feed that looks now and then: what it makes lasts until the feed saw it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from evidence.kind import Body

from ..sensor import Observed


class Made(Protocol):
    """A thing of the agent's own that a feed can see."""

    def seen(self, body: Body) -> bool:
        """Return whether body tells of it."""

    def close(self) -> None:
        """End it."""


class LastingTrigger:
    """At most one thing at a time; make makes it."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._made: Made | None = None

    def begin(self) -> Callable[[Body], bool]:
        """Make the thing, in place of the one before, and return the test that recognises it."""
        self.end()
        self._made = self._make()
        return self._made.seen

    def look(self, found: Iterable[Observed]) -> None:
        """End the thing if it is among what a feed found."""
        if self._made is not None and any(self._made.seen(one.body) for one in found):
            self.end()

    def end(self) -> None:
        """End the thing, if there is one."""
        if self._made is not None:
            self._made.close()
            self._made = None
