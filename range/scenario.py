"""The contract of a scenario: who does what where, its benign twin, and the truth both are scored by."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from .twins import Draw

HOSTS = ("bastion", "app", "db")
"""The hosts of the fleet, each with an agent."""
STRANGER, BACKUP = "203.0.113.9", "203.0.113.10"
"""Two servers outside: one that nobody knows, and the site's own backup."""
ROAMING, ABROAD = "203.0.113.70", "203.0.113.140"
"""Two more addresses of laptops: another network of the place where people live, and one of another place."""
PLACES = "".join(
    f'[[network]]\ncidr = "{cidr}"\nplace = "{place}"\n'
    for cidr, place in (
        ("198.51.100.0/24", "Oslo"),
        ("203.0.113.64/26", "Oslo"),
        ("203.0.113.128/26", "Lima"),
    )
)
"""What the range's operator tells of them."""
HTTP, RAW = 8080, 9000
"""Ports of both: HTTP uploads, and one that takes what it is sent until the sender ends."""
EVERYTHING = "NOPASSWD: ALL"
MANY = 1000


@dataclass(frozen=True)
class Person:
    """Somebody with a laptop outside, an ssh key, and accounts on hosts, of one name or as accounts says.

    sudo is what sudoers grants there, or nothing. accounts holds pairs of a host and the name there.
    """

    name: str
    hosts: tuple[str, ...]
    sudo: str | None = None
    accounts: tuple[tuple[str, str], ...] = ()

    def account(self, host: str) -> str:
        """Return the name of the person's account on a host."""
        return dict(self.accounts).get(host, self.name)


@dataclass(frozen=True)
class Service:
    """An account on hosts that is nobody's own: one key pair for all of them, which each of them lets in."""

    name: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A shell command, as the person types it on the laptop, or root's cron on a host when person is None."""

    person: str | None
    command: str
    host: str | None = None
    pause: float = 0.0
    """Seconds before the step."""


@dataclass(frozen=True)
class Prepared:
    """A root's shell command on a host, before its agent starts: accounts, data, settings of long ago."""

    host: str
    command: str


@dataclass(frozen=True)
class Truth:
    """What a right alert says: the person, a host, one of the rules; where told, the bytes out.

    bytes_out is what left, within tolerance percent; protocols add a little to it. reached holds pairs of a
    host and an account: the person's sessions there must be known as theirs, by the hops that led there.
    """

    person: str
    hosts: tuple[str, ...]
    rules: tuple[str, ...]
    bytes_out: int | None = None
    destination: str | None = None
    tolerance: int = 5
    reached: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scenario:
    """One scenario of the table in docs/range.md by its number; its module's name is its name."""

    number: int
    title: str
    people: tuple[Person, ...]
    steps: tuple[Step, ...]
    twin: Callable[[Draw], tuple[Step, ...]]
    truth: Truth
    twin_title: str
    services: tuple[Service, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    ends_agent: bool = False
    """Played after the others, for its host is not watched any more."""
    twin_runs: int = MANY
    """Runs of the twin, at most: fewer where one takes long."""
    name: str = ""

    def cast(self, steps: tuple[Step, ...]) -> frozenset[str]:
        """Return the names of those who act in steps."""
        return frozenset(step.person for step in steps if step.person is not None)


def load() -> dict[str, Scenario]:
    """Return every scenario by its name, in the order of their numbers.

    Raises:
        TypeError: a module in scenarios/ has no SCENARIO.
        ValueError: a person is in two scenarios, or in a scenario and its twin.
    """
    scenarios = importlib.import_module(f"{__package__}.scenarios")
    found = []
    for module in pkgutil.iter_modules(scenarios.__path__):
        made = getattr(importlib.import_module(f"{scenarios.__name__}.{module.name}"), "SCENARIO", None)
        if not isinstance(made, Scenario):
            raise TypeError(f"range/scenarios/{module.name}.py: SCENARIO is no Scenario")
        found.append(_named(made, module.name.replace("_", "-")))
    _nobody_twice(found)
    return {one.name: one for one in sorted(found, key=lambda one: (one.number, one.name))}


def _named(scenario: Scenario, name: str) -> Scenario:
    return Scenario(**{**vars(scenario), "name": name})


def _nobody_twice(scenarios: list[Scenario]) -> None:
    """A person's alerts tell which scenario they are about, so nobody may be in two."""
    seen: dict[str, str] = {}
    for one in scenarios:
        for what, steps in ((one.name, one.steps), (f"the twin of {one.name}", one.twin(Draw()))):
            for name in sorted(one.cast(steps)):
                if name in seen:
                    raise ValueError(f"{name} acts in {seen[name]} and in {what}: give one another name")
                seen[name] = what
