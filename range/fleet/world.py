"""What happens, as it is told: events by host and time, until they are taken to be sealed."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.kind import Body

from .hosts import HOUR, Host
from .settings import Settings

_FIRST_PID, _PIDS = 1200, 4_000_000
_FIRST_PORT, _PORTS = 32_768, 28_000


class Machine:
    """A host at work: what its kernel counts up."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._pid = self._flow = self._session = self._port = 0

    def pid(self) -> int:
        """Return the next process id."""
        self._pid = (self._pid + 1) % _PIDS
        return _FIRST_PID + self._pid

    def flow(self) -> int:
        """Return the next connection's number."""
        self._flow += 1
        return self._flow

    def session(self) -> int:
        """Return the next audit session."""
        self._session += 1
        return self._session

    def port(self) -> int:
        """Return the next local port."""
        self._port = (self._port + 1) % _PORTS
        return _FIRST_PORT + self._port

    def start(self, at: int) -> int:
        """Return a time (UTC ns) as nanoseconds since the host's boot."""
        return max(1, at - self.host.boot(at).at)


Told = tuple[int, Machine, Body]
"""When (UTC ns, by a right clock), where, what."""


class World:
    """The hosts, and what they are to tell by the hour."""

    def __init__(self, settings: Settings, hosts: Iterable[Host]) -> None:
        self.settings = settings
        self.machines = {host.name: Machine(host) for host in hosts}
        self._hours: dict[int, list[Told]] = {}
        self._next = 0

    def tell(self, machine: Machine, at: int, body: Body) -> None:
        """Add an event; a host that is not there tells nothing; of an hour that is over it is late."""
        if machine.host.begins <= at < machine.host.ends:
            self._hours.setdefault(max(at // HOUR, self._next), []).append((at, machine, body))

    def take(self, hour: int) -> list[Told]:
        """Return the events of an hour since 1970 (UTC), in no order, and forget them."""
        self._next = hour + 1
        return self._hours.pop(hour, [])

    def there(self, role: str, at: int) -> list[Machine]:
        """Return the machines of a role that run at a time (UTC ns)."""
        return [one for one in self.machines.values() if one.host.role == role and one.host.runs(at)]
