"""The contract of a technique: how an insider takes data, as visits that look like everybody's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import msgspec

from . import draws
from .hosts import DAY
from .people import Person
from .place import How, Place, somewhere
from .settings import Settings
from .work import Act, Visit

QUICK = 6
"""Commands of a session in which somebody takes data, by median: fewer than usual, yet they look around."""


class Plan:
    """What an insider is going to do: who, when, how much a day, and what they may choose from.

    days are their working days on which acts may be, host one they often use; size gives a day's bytes.
    """

    def __init__(
        self, settings: Settings, person: Person, draw: Random, days: Sequence[int], host: str, *,
        size: Callable[[], float],
    ) -> None:  # fmt: skip
        self.settings, self.person, self.draw, self.days, self.host = settings, person, draw, days, host
        self.size = size
        self.acts: list[int] = []
        self.bytes = 0

    def day(self) -> int:
        """Choose a day, and note that data leaves then."""
        return self.on(self.draw.choice(self.days))

    def on(self, day: int) -> int:
        """Note that data leaves on a day."""
        self.acts.append(day)
        return day

    def utc_day(self, day: int, hour: float) -> int:
        """Return the day by UTC of an hour of the person's clock: their night may be the evening before."""
        return (self.person.hour(self.settings, day, hour) - self.settings.begin) // DAY

    def amount(self) -> float:
        """Return how many bytes leave on one day."""
        size = self.size()
        self.bytes += int(size)
        return size

    def place(self, how: How) -> Place:
        """Return a server of the insider's, which nobody else uses."""
        return somewhere(self.draw, how)

    def visit(
        self,
        day: int,
        *acts: Act,
        hour: float | None = None,
        source: str | None = None,
        host: str | None = None,
    ) -> Visit:
        """Return a session on a day, at some working hour if none is given."""
        person = self.person
        when = self.draw.uniform(person.begins + 0.5, person.ends - 0.5) if hour is None else hour
        commands = 1 + int(draws.lognormal(self.draw, QUICK, 0.7))
        return Visit(
            person.hour(self.settings, day, when), person, acts, commands,
            source or (person.vpn if person.uses_vpn else person.home),
            ("insider", person.account, day, len(self.acts), when), host,
        )  # fmt: skip


class Technique(msgspec.Struct, frozen=True):
    """A way to take data: number of the scenario it is of (docs/range.md), and its visits for a plan.

    most bounds the bytes of a day where the way itself does.
    """

    name: str
    number: int
    what: str
    visits: Callable[[Plan], list[Visit]]
    most: float | None = None
    needs: int = 1
    """Working days that are left."""
    is_admin: bool = False
    """Whether only somebody with root can do it."""
