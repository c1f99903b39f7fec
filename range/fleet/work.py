"""A person's days: when they come, to which hosts, by which way, and what they do there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random

import msgspec

from evidence.kind import Endpoint

from . import draws
from .acts import ACTS, look
from .calendar import Calendar
from .doing import Doing, push, upload
from .hosts import DAY, HOUR
from .people import Person
from .place import How, Place, somewhere
from .shell import Account, Shell
from .world import Machine, World

Act = Callable[[Doing], None]
_HABITUAL = 6
_ACTS_LIMIT = 6


class Visit(msgspec.Struct, frozen=True):
    """A session that is to be: when (UTC ns), whose, and what it holds beside looking around."""

    at: int
    person: Person
    acts: tuple[Act, ...]
    commands: int
    source: str
    seed: tuple[object, ...]
    host: str | None = None
    by_bastion: bool | None = None


class Work:
    """What the people of a world do, day by day."""

    def __init__(self, world: World, calendar: Calendar, people: tuple[Person, ...]) -> None:
        self.world, self.calendar, self.people = world, calendar, people
        self._seed = world.settings.seed
        self.habitual = {one.name: self._hosts(one) for one in people}
        """By person the hosts of their work, the most used first."""

    def _hosts(self, person: Person) -> list[str]:
        """Return the hosts of somebody's work, the most used first."""
        roles = person.duty.hosts
        names = [
            name
            for name, one in self.world.machines.items()
            if one.host.role in roles and not one.host.autoscaled
        ]
        draw = draws.stream(self._seed, "habits", person.account)
        draw.shuffle(names)
        return names[: _HABITUAL * 2 if person.duty.is_admin else _HABITUAL]

    def visits(self, day: int) -> list[Visit]:
        """Return everybody's sessions of a day, in the order in which they begin."""
        found = [visit for person in self.people for visit in self._day(person, day)]
        return sorted([*found, *self._incidents(day), *self._maintenance(day)], key=lambda one: one.at)

    def _day(self, person: Person, day: int) -> Iterator[Visit]:
        settings = self.world.settings
        draw = draws.stream(self._seed, "day", person.account, day)
        is_late = draw.random() < settings.rates.late
        if day < person.joined or day in person.away:
            return
        if person.works(settings, day):
            count = draws.poisson(draw, person.duty.sessions)
            hours = [_hour(draw, person) for _ in range(count)]
        else:
            hours = []
        if is_late:
            hours.append(draw.uniform(person.ends + 1, person.ends + 6))
        source = self.source(person, day)
        sends = self._sends(draw, person) if hours else ()
        for number, hour in enumerate(sorted(hours)):
            acts = [*self._acts(draw, person), *(sends if number == 0 else ())]
            commands = min(int(draw.expovariate(1 / settings.rates.commands)) + 1, 120)
            yield Visit(
                person.hour(settings, day, hour), person, tuple(acts), commands, source,
                (person.account, day, number),
            )  # fmt: skip

    def source(self, person: Person, day: int) -> str:
        """Return the address somebody comes from that day; they stay where they travelled for three days."""
        for before in range(day, day - 3, -1):
            draw = draws.stream(self._seed, "travel", person.account, before)
            if draw.random() < self.world.settings.rates.travel:
                return f"{draw.choice(('95.20', '185.60', '80.30', '41.70'))}.{draw.randrange(1, 255)}.7"
        return person.vpn if person.uses_vpn else person.home

    def _acts(self, draw: Random, person: Person) -> list[Act]:
        weights = person.duty.acts
        count = min(draws.poisson(draw, 1.4), _ACTS_LIMIT)
        return [ACTS[name] for name in draw.choices(list(weights), list(weights.values()), k=count)]

    def _sends(self, draw: Random, person: Person) -> tuple[Act, ...]:
        """Return what somebody sends outside that day: to a place they use, or to one that is new."""
        found: list[Act] = []
        if person.places and draw.random() < person.duty.sends:
            found.append(sending(draws.zipf(draw, person.places), draw.choice(person.tools)))
        if draw.random() < self.world.settings.rates.new_place:
            hows: tuple[How, ...] = ("https", "https", "ssh", "git")
            found.append(sending(somewhere(draw, draw.choice(hows)), draw.choice(person.tools)))
        return tuple(found)

    def _incidents(self, day: int) -> Iterator[Visit]:
        """Return the sessions of who is on call and was woken: looking, as root, on several hosts."""
        begin = self.world.settings.begin + day * DAY
        by_name = {one.name: one for one in self.people}
        for one in self.calendar.incidents:
            if not begin <= one.at < begin + DAY or one.person not in by_name:
                continue
            draw = draws.stream(self._seed, "incident", one.at)
            person = by_name[one.person]
            for number in range(draw.randint(1, 4)):
                at = one.at + int(draw.random() * one.seconds * 10**9)
                acts = (ACTS["root"], *(draw.choices((ACTS["root"], ACTS["fetch"], ACTS["curl"]), k=2)))
                host = draw.choice(list(self.world.machines))
                yield Visit(at, person, acts, 10, person.home, ("incident", one.at, number), host)

    def _maintenance(self, day: int) -> Iterator[Visit]:
        name = self.calendar.patched.get(day)
        person = next((one for one in self.people if one.name == name), None)
        if name is None or person is None:
            return
        draw = draws.stream(self._seed, "maintenance", day)
        for number in range(max(2, len(self.habitual[name]) // 2)):
            at = self.world.settings.begin + day * DAY + int((1.1 + 0.25 * number) * HOUR)
            acts = (ACTS["package"], ACTS["root"])
            host = draw.choice(self.habitual[name])
            yield Visit(at, person, acts, 5, person.vpn, ("maintenance", day, number), host)

    def play(self, visit: Visit) -> None:
        """Let a session happen; nothing does where the host is not there."""
        draw = draws.stream(self._seed, "visit", *visit.seed)
        machine = self.machine(draw, visit)
        if machine is None:
            return
        with_bastion = visit.by_bastion if visit.by_bastion is not None else visit.person.by_bastion
        bastions = self.world.there("bastion", visit.at) if with_bastion else []
        account = Account(visit.person.account, visit.person.uid, visit.person.key)
        source = Endpoint(ip=visit.source, port=draw.randrange(20_000, 60_000))
        first = Shell(self.world, bastions[0] if bastions else machine, account, visit.at, source)
        if bastions and bastions[0] is not machine:
            with first.hop(draw, machine) as shell:
                _session(Doing(shell, visit.person, draw), visit)
            first.out += shell.out
            first.into += shell.into
        else:
            _session(Doing(first, visit.person, draw), visit)
        first.logout()

    def machine(self, draw: Random, visit: Visit) -> Machine | None:
        """Return where a visit leads: mostly to a host of habit, now and then to a new or autoscaled one."""
        person, rates = visit.person, self.world.settings.rates
        if visit.host is not None:
            machine = self.world.machines[visit.host]
            return machine if machine.host.runs(visit.at) else None
        if draw.random() < rates.new_host:
            there = self.world.there(draw.choice(person.duty.hosts), visit.at)
            return draw.choice(there) if there else None
        habitual = self.habitual[person.name]
        return self.world.machines[draws.zipf(draw, habitual)] if habitual else None


def sending(place: Place, tool: str) -> Act:
    """Return the act of sending files, or a repository, to a place."""

    def act(doing: Doing) -> None:
        if place.how == "git":
            push(doing, place, doing.size(), by_ssh=doing.draw.random() < 0.5)  # noqa: PLR2004 - either
        else:
            upload(doing, place, doing.size(), tool)

    return act


def _hour(draw: Random, person: Person) -> float:
    """Return an hour of the working day: two peaks with lunch between, as sessions by hour usually have."""
    span = person.ends - person.begins
    while True:
        part = draw.random()
        if draw.random() < 0.35 + 0.65 * math.sin(2 * math.pi * part) ** 2:
            return person.begins + part * span


def _session(doing: Doing, visit: Visit) -> None:
    left = list(visit.acts)
    for number in range(visit.commands):
        look(doing)
        doing.think()
        if left and number >= visit.commands * (1 - len(left) / (len(visit.acts) + 1)) - 1:
            left.pop(0)(doing)
            doing.think()
    for act in left:
        act(doing)
