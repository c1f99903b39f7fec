"""What the operator says about people, hosts and networks, and the questions rules ask of it. Pure.

Nothing here is required: without an entry a person is called by account, a network is unknown, a host has no
labels, and no window is open.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import functools
import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

NetworkUse = Literal["own", "service", "backup"]
_ADDRESSES_LIMIT = 65_536
"""Addresses whose network is remembered; judging one anew costs more than all rules together."""
_HOSTS_LIMIT = 20_000
_HOURS_LIMIT = 4096
_PEERS_LIMIT = 64
"""Persons with whom one is compared."""
_WILD = frozenset("*?[")
_HOUR = 3_600 * 10**9
_SECOND = 10**9
Country = Callable[[str], str | None]
"""Tells the country code of an address; None where it is not known."""
_Networks = Mapping[tuple[int, int], Mapping[int, "NetworkLabel"]]
"""By IP version and length of the prefix: the prefix as a number, and its network."""


class Human(msgspec.Struct, frozen=True):
    """A person: accounts and key fingerprints that are theirs, role, groups, and when they usually work.

    hours are of the local clock of timezone (an IANA name), such as (8, 18) for 08:00 until before 18:00;
    (22, 6) goes over midnight. None where nothing is said.
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

    def __init__(self, organisation: Organisation, country: Country | None = None) -> None:
        """Index it, with zones from the system; country is asked where no network has a place.

        Raises:
            ValueError: a network or a time zone is none.
        """
        self.organisation = organisation
        self._country = country
        self._people = {
            name: human.name for human in organisation.people for name in (*human.accounts, *human.keys)
        }
        self._humans = {human.name: human for human in organisation.people}
        self._peers = _peers(organisation.people)
        self._zones = {one.timezone: zone(one.timezone) for one in organisation.people if one.timezone}
        self._services = frozenset(organisation.services)
        self._service_accounts = frozenset(organisation.service_accounts)
        # What is cached holds the tables and not this object: a cycle would outlive it for long.
        networks = _by_prefix(organisation.networks)
        self.network = functools.lru_cache(_ADDRESSES_LIMIT)(functools.partial(_narrowest, networks))
        self.labels = _labels(organisation.hosts)
        self._changes = _open_windows(organisation.change_windows)
        self._on_call = _open_windows(organisation.on_call)

    def people(self) -> dict[str, str]:
        """Return account or key fingerprint → the person's name."""
        return dict(self._people)

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

    def peers(self, name: str) -> tuple[str, ...]:
        """Return who else has a person's role, or else one of their groups."""
        return self._peers.get(name, ())

    def local_hour(self, person: str, time: int) -> int | None:
        """Return the hour (0 to 23) of a person's own clock at time (UTC ns); None where it is not known."""
        human = self._humans.get(person)
        if human is None or human.timezone is None:
            return None
        try:
            return dt.datetime.fromtimestamp(time // _SECOND, self._zones[human.timezone]).hour
        except (OverflowError, ValueError):  # a host may claim any time
            return None

    def works_at(self, person: str, time: int) -> bool | None:
        """Return whether time (UTC ns) is within a person's usual hours; None where they are not known."""
        human = self._humans.get(person)
        hour = self.local_hour(person, time)
        if human is None or human.hours is None or hour is None:
            return None
        begin, end = human.hours
        return begin <= hour < end if begin <= end else hour >= begin or hour < end

    def is_service_account(self, name: str) -> bool:
        """Return whether an account is nobody's own; also of who came by it, as ``deploy from 192.0.2.1``."""
        accounts = self._service_accounts
        return bool(accounts) and name.partition(" from ")[0] in accounts

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
        place = found.place if found is not None else None
        return self._country(ip) if place is None and self._country is not None else place

    def is_known_name(self, name: str) -> bool:
        """Return whether a domain name is a known service's, or below one."""
        parts = name.rstrip(".").lower().split(".")
        return any(".".join(parts[at:]) in self._services for at in range(len(parts)))

    def is_change(self, host: str, person: str | None, time: int) -> bool:
        """Return whether changes by person on host are expected at time (UTC ns)."""
        return any(self._holds(one, host, person, time) for one in self._changes(time // _HOUR))

    def is_on_call(self, host: str, person: str | None, time: int) -> bool:
        """Return whether person is on call for host at time (UTC ns)."""
        return any(self._holds(one, host, person, time) for one in self._on_call(time // _HOUR))

    def _holds(self, window: Window, host: str, person: str | None, time: int) -> bool:
        if not window.start <= time < window.end:
            return False
        return self._of_persons(window.persons, person) and self._of_hosts(window.hosts, host)

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


def _peers(people: Iterable[Human]) -> dict[str, tuple[str, ...]]:
    """Return by person those of the same role; for who has none, or is alone in it, of a common group."""
    roles: dict[str, list[str]] = {}
    groups: dict[str, list[str]] = {}
    for one in people:
        roles.setdefault(one.role or "", []).append(one.name)
        for group in one.groups:
            groups.setdefault(group, []).append(one.name)
    found: dict[str, tuple[str, ...]] = {}
    for one in people:
        same = roles[one.role] if one.role and len(roles[one.role]) > 1 else []
        others = same or [name for group in one.groups for name in groups[group]]
        found[one.name] = tuple(name for name in dict.fromkeys(others) if name != one.name)[:_PEERS_LIMIT]
    return found


def zone(name: str) -> dt.tzinfo:
    """Return a time zone by its IANA name.

    Raises:
        ValueError: this system has none of that name.
    """
    if name == "UTC":
        return dt.UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"{name}: no time zone of this system") from error


def _by_prefix(networks: Iterable[NetworkLabel]) -> _Networks:
    """Return networks by IP version and length of the prefix, the longest first."""
    found: dict[tuple[int, int], dict[int, NetworkLabel]] = {}
    for one in networks:
        network = ipaddress.ip_network(one.cidr, strict=False)
        length = network.prefixlen
        key = int(network.network_address) >> (network.max_prefixlen - length)
        found.setdefault((network.version, length), {}).setdefault(key, one)
    return {key: found[key] for key in sorted(found, reverse=True)}


def _narrowest(networks: _Networks, ip: str) -> NetworkLabel | None:
    """Return the narrowest network an address is in, with use and place of the narrowest that tells each."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    number, bits = int(address), address.max_prefixlen
    found = [
        table[number >> (bits - length)]
        for (version, length), table in networks.items()
        if version == address.version and number >> (bits - length) in table
    ]
    if not found:
        return None
    use = next((one.use for one in found if one.use is not None), None)
    place = next((one.place for one in found if one.place is not None), None)
    return NetworkLabel(found[0].cidr, use, place)


def _labels(hosts: tuple[HostLabel, ...]) -> Callable[[str], frozenset[str]]:
    """Return a function from a host's name to its labels; most patterns of a large fleet are plain names."""
    plain: dict[str, set[str]] = {}
    patterns: list[tuple[re.Pattern[str], tuple[str, ...]]] = []
    for one in hosts:
        if _WILD.isdisjoint(one.pattern):
            plain.setdefault(one.pattern, set()).update(one.labels)
        else:
            patterns.append((re.compile(fnmatch.translate(one.pattern)), one.labels))

    @functools.lru_cache(_HOSTS_LIMIT)
    def labels(host: str) -> frozenset[str]:
        fitting = (labels for pattern, labels in patterns if pattern.match(host))
        return frozenset(plain.get(host, ())).union(*fitting)

    return labels


def _open_windows(windows: tuple[Window, ...]) -> Callable[[int], tuple[Window, ...]]:
    """Return a function from an hour since the epoch to the windows that are open at some time of it."""

    @functools.lru_cache(_HOURS_LIMIT)
    def during(hour: int) -> tuple[Window, ...]:
        begin, end = hour * _HOUR, (hour + 1) * _HOUR
        return tuple(one for one in windows if one.start < end and begin < one.end)

    return during
