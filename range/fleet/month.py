"""A fleet's month from its settings: who is in it, and a ledger's entries in the order they come in."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from operator import attrgetter, itemgetter

from . import calendar, hosts, insider, people
from .hosts import DAY, HOUR
from .machines import Machines
from .sealing import Agent, Entry
from .settings import Settings
from .work import Visit, Work
from .world import Told, World

_RECEIVED = attrgetter("received")
_TIME = itemgetter(0)


class Month:
    """A generated month. people, hosts, calendar and insiders may be looked at; entries are made once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.people = people.people(settings)
        self.hosts = hosts.hosts(settings)
        self.calendar = calendar.calendar(settings, self.people)
        self.insiders, self._taking = insider.insiders(settings, self.hosts, self.calendar, self.people)
        self.events = 0
        self._late: list[Entry] = []

    def entries(self) -> Iterator[Entry]:
        """Yield enrolments and batches, by the time they come."""
        world = World(self.settings, self.hosts)
        work = Work(world, self.calendar, self.people)
        machines = Machines(world, self.calendar)
        agents = {host.name: Agent(self.settings, host) for host in self.hosts}
        begin, waiting = self.settings.begin, list[Visit](self._taking)
        for day in range(self.settings.days):
            # an evening in one zone is the next morning in another
            for planned in (0, 1) if day == 0 else (day + 1,):
                waiting += work.visits(planned) if planned < self.settings.days else ()
            waiting.sort(key=attrgetter("at"))
            for hour in range(begin + day * DAY, begin + (day + 1) * DAY, HOUR):
                while waiting and waiting[0].at < hour + HOUR:
                    work.play(waiting.pop(0))
                machines.hour(hour)
                yield from self._hour(agents, world.take(hour // HOUR), hour)
        yield from self._late

    def _hour(self, agents: dict[str, Agent], told: list[Told], hour: int) -> Iterator[Entry]:
        """Yield the entries of an hour, sorted by when they come."""
        self.events += len(told)
        fresh = [host for host in self.hosts if hour <= host.begins < hour + HOUR]
        made = [agents[host.name].enrol() for host in fresh]
        told.sort(key=_TIME)
        by_host: dict[str, list[Told]] = {}
        for one in told:
            by_host.setdefault(one[1].host.name, []).append(one)
        for name, agent in agents.items():
            if name in by_host or agent.is_busy:
                made += agent.hour(by_host.get(name, ()), hour + HOUR)
        made = sorted([*self._late, *made], key=_RECEIVED)
        ready = bisect.bisect_left(made, hour + HOUR, key=_RECEIVED)
        self._late = made[ready:]
        yield from made[:ready]
