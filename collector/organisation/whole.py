"""All that the operator told, files and settings → one organisation without contradictions. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from ..errors import SettingsError
from ..settings import Detection
from .entry import Kind
from .known import HostLabel, Human, NetworkLabel, Organisation, Window
from .text import Said

_FINGERPRINTS = ("SHA256:", "MD5:")


def assemble(said: Sequence[Said], detection: Detection) -> Organisation:
    """Return what the files' entries and the settings tell together; files go before settings.

    Raises:
        SettingsError: two of them contradict each other; names both places.
    """
    people = _people(_of(said, "person"), detection.people)
    hosts = tuple(one.what for one in _of(said, "host"))
    accounts = tuple(dict.fromkeys(one.what for one in _of(said, "service_account")))
    humans = tuple(human for human, _where in people)
    _check_claims([*_claims(people), *_nobodys(_of(said, "service_account"))])
    windows = [*_of(said, "change_window"), *_of(said, "on_call")]
    _check_windows(windows, humans, hosts)
    return Organisation(
        people=humans,
        networks=_networks(_of(said, "network"), detection.known_destinations),
        hosts=hosts,
        services=tuple(dict.fromkeys(one.what for one in _of(said, "service"))),
        service_accounts=accounts,
        change_windows=tuple(one.what for one in _of(said, "change_window")),
        on_call=tuple(one.what for one in _of(said, "on_call")),
    )


def _of(said: Sequence[Said], kind: Kind) -> list[Said]:
    return [one for one in said if one.kind == kind]


def _people(said: Iterable[Said], more: dict[str, tuple[str, ...]]) -> list[tuple[Human, str]]:
    """Return each person with where they are told of; more are accounts and keys by name, of the settings."""
    found: dict[str, tuple[Human, str]] = {}
    for one in said:
        name = one.what.name
        if name in found:
            raise SettingsError(f"{one.where}: name: {name} is told of in {found[name][1]} too; keep one")
        found[name] = (one.what, one.where)
    for name, theirs in more.items():
        human, where = found.get(name, (Human(name), f"the settings: detection.people.{name}"))
        keys = [one for one in theirs if one.startswith(_FINGERPRINTS)]
        accounts = [one for one in theirs if one not in keys]
        found[name] = (_with(human, accounts, keys), where)
    return list(found.values())


def _with(human: Human, accounts: list[str], keys: list[str]) -> Human:
    return Human(
        name=human.name,
        accounts=tuple(dict.fromkeys((*human.accounts, *accounts))),
        keys=tuple(dict.fromkeys((*human.keys, *keys))),
        role=human.role,
        groups=human.groups,
        timezone=human.timezone,
        hours=human.hours,
    )


def _claims(people: Iterable[tuple[Human, str]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (account or key, whose it is, field, where that is told)."""
    for human, where in people:
        yield from ((account, human.name, "accounts", where) for account in human.accounts)
        yield from ((key, human.name, "keys", where) for key in human.keys)


def _nobodys(said: Iterable[Said]) -> Iterator[tuple[str, str, str, str]]:
    for one in said:
        yield one.what, "nobody (service_accounts)", "service_accounts", one.where


def _check_claims(claims: Iterable[tuple[str, str, str, str]]) -> None:
    """Refuse an account or key that is said to be two persons', or a person's and nobody's."""
    owners: dict[str, tuple[str, str]] = {}
    for what, owner, field, where in claims:
        first, there = owners.setdefault(what, (owner, where))
        if first != owner:
            raise SettingsError(
                f"{where}: {field}: {what} is claimed for {owner}, and for {first} in {there}; keep one"
            )


def _networks(said: Iterable[Said], known: Iterable[str]) -> tuple[NetworkLabel, ...]:
    found: dict[str, Said] = {}
    for one in said:
        first = found.setdefault(one.what.cidr, one)
        if first is not one:
            raise SettingsError(
                f"{one.where}: cidr: {one.what.cidr} is told of in {first.where} too; keep one"
            )
    told = {cidr: one.what for cidr, one in found.items()}
    for cidr in _destinations(known):
        place = told[cidr].place if cidr in told else None
        if cidr not in told or told[cidr].use is None:
            told[cidr] = NetworkLabel(cidr, "service", place)
    return tuple(told.values())


def _destinations(known: Iterable[str]) -> Iterator[str]:
    for each in known:
        try:
            network = ipaddress.ip_network(each, strict=False)
        except ValueError as error:
            raise SettingsError(f"the settings: detection.known_destinations: {error}") from error
        yield str(network)


def _check_windows(said: Iterable[Said], people: Iterable[Human], hosts: Iterable[HostLabel]) -> None:
    """Refuse a window for a label or group that nothing has: it would hold for nobody."""
    labels = {label for host in hosts for label in host.labels}
    groups = {group for human in people for group in human.groups}
    for one in said:
        window: Window = one.what
        for field, names, prefix, known in (
            ("hosts", window.hosts, "label:", labels),
            ("persons", window.persons, "group:", groups),
        ):
            for name in names:
                if name.startswith(prefix) and name.removeprefix(prefix) not in known:
                    raise SettingsError(
                        f"{one.where}: {field}: nothing has the {name}; add it, or correct it"
                    )
