"""What the operator says about people, hosts and networks, and the questions rules ask of it. Pure.

Nothing here is required: without an entry a person is called by account, a network is unknown, a host has no
labels, and no window is open.
"""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
from collections.abc import Iterable
from typing import Literal

import msgspec

NetworkUse = Literal["own", "service", "backup"]
_ADDRESSES_LIMIT = 65_536
"""Addresses whose network is remembered; judging one anew costs more than all rules together."""


class Human(msgspec.Struct, frozen=True):
    """A person: accounts and key fingerprints that are theirs, role, groups, and when they usually work.

    hours are of the local clock of timezone (an IANA name), such as (8, 18); None where nothing is said.
    """

    name: str
    accounts: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    role: str | None = None
    groups: tuple[str, ...] = ()
    timezone: str | None = None
    hours: tuple[int, int] | None = None


class NetworkLabel(msgspec.Struct, frozen=True):
    """A network (CIDR): what it is to us, and the site or country it stands at."""

    cidr: str
    use: NetworkUse | None = None
    place: str | None = None


class HostLabel(msgspec.Struct, frozen=True):
    """Labels of hosts whose name fits pattern (as `fnmatch`), such as ``web-*``."""

    pattern: str
    labels: tuple[str, ...]


class Window(msgspec.Struct, frozen=True):
    """An interval (UTC ns, half open) in which changes on hosts, or the work of persons, are expected.

    hosts are patterns of host names or ``label:NAME``, persons are names or ``group:NAME``; empty means all.
    """

    start: int
    end: int
    why: str
    hosts: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()


class Organisation(msgspec.Struct, frozen=True):
    """All that the operator told. change_windows and on_call are looked up by time."""

    people: tuple[Human, ...] = ()
    networks: tuple[NetworkLabel, ...] = ()
    hosts: tuple[HostLabel, ...] = ()
    services: tuple[str, ...] = ()
    """Domain names of known services; their subdomains too."""
    service_accounts: tuple[str, ...] = ()
    """Accounts that are nobody's own."""
    change_windows: tuple[Window, ...] = ()
    on_call: tuple[Window, ...] = ()


class Known:
    """An organisation, indexed for questions; each answer is remembered for as long as it lives."""

    def __init__(self, organisation: Organisation) -> None:
        """Index it.

        Raises:
            ValueError: a network is none.
        """
        self.organisation = organisation
        self._people = {
            name: human.name for human in organisation.people for name in (*human.accounts, *human.keys)
        }
        self._humans = {human.name: human for human in organisation.people}
        self._networks = [
            (ipaddress.ip_network(one.cidr, strict=False), one) for one in organisation.networks
        ]
        self._networks.sort(key=lambda pair: -pair[0].prefixlen)
        self.network = functools.lru_cache(_ADDRESSES_LIMIT)(self._network)

    def person(self, account_or_key: str) -> str | None:
        """Return whose account or key fingerprint this is; None where the operator did not say."""
        return self._people.get(account_or_key)

    def human(self, name: str) -> Human | None:
        """Return what is known of a person by name."""
        return self._humans.get(name)

    def groups(self, name: str) -> tuple[str, ...]:
        """Return the groups of a person."""
        human = self._humans.get(name)
        return human.groups if human is not None else ()

    def is_service_account(self, account: str) -> bool:
        """Return whether an account is nobody's own."""
        return account in self.organisation.service_accounts

    def is_known(self, ip: str) -> bool:
        """Return whether an address is ours, a known service's or a backup host's."""
        found = self.network(ip)
        return found is not None and found.use is not None

    def use(self, ip: str) -> NetworkUse | None:
        """Return what an address is to us."""
        found = self.network(ip)
        return found.use if found is not None else None

    def place(self, ip: str) -> str | None:
        """Return the site or country of an address."""
        found = self.network(ip)
        return found.place if found is not None else None

    def is_known_name(self, name: str) -> bool:
        """Return whether a domain name is a known service's, or below one."""
        return _is_below(name.rstrip(".").lower(), self.organisation.services)

    @functools.lru_cache(4096)  # noqa: B019 - lives as long as the settings it answers from
    def labels(self, host: str) -> frozenset[str]:
        """Return the labels of a host by its name."""
        return frozenset(
            label
            for one in self.organisation.hosts
            if fnmatch.fnmatchcase(host, one.pattern)
            for label in one.labels
        )

    def is_change(self, host: str, person: str | None, time: int) -> bool:
        """Return whether changes by person on host are expected at time (UTC ns)."""
        return any(self._holds(one, host, person, time) for one in self.organisation.change_windows)

    def is_on_call(self, host: str, person: str | None, time: int) -> bool:
        """Return whether person is on call for host at time (UTC ns)."""
        return any(self._holds(one, host, person, time) for one in self.organisation.on_call)

    def _holds(self, window: Window, host: str, person: str | None, time: int) -> bool:
        if not window.start <= time < window.end:
            return False
        return self._of_hosts(window.hosts, host) and self._of_persons(window.persons, person)

    def _of_hosts(self, patterns: tuple[str, ...], host: str) -> bool:
        labels = self.labels(host)
        return not patterns or any(
            one[6:] in labels if one.startswith("label:") else fnmatch.fnmatchcase(host, one)
            for one in patterns
        )

    def _of_persons(self, names: tuple[str, ...], person: str | None) -> bool:
        if not names:
            return True
        groups = self.groups(person) if person is not None else ()
        return any(one[6:] in groups if one.startswith("group:") else one == person for one in names)

    def _network(self, ip: str) -> NetworkLabel | None:
        """Return the narrowest network an address is in."""
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        return next((label for network, label in self._networks if address in network), None)


def _is_below(name: str, domains: Iterable[str]) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)
