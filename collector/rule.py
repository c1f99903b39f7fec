"""The contract of detections and correlations: pure functions of events, with parameters and examples beside.

A module in `detections/` sets DETECTION: one event in, a finding or None out. A module in `correlations/`
sets CORRELATION: a state folded over events, chains and time. Their hits and misses are their test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from evidence.kind import Body

from .alert import Severity
from .organisation.known import Known, Organisation
from .record import Arrival, Person, Record, SessionRevision

Value = float | int | str
BEGIN = 1_790_000_000_000_000_000
"""When examples begin, UTC ns: a Monday in September 2026, 14:13."""


class Parameter(msgspec.Struct, frozen=True):
    """A number or text that a site may set; unit and why are for the person who does."""

    name: str
    default: Value
    unit: str
    why: str


class Finding(msgspec.Struct, frozen=True):
    """What a rule found. entity is who or what it is about and makes the alert's id, with the evidence.

    time is the event time (UTC ns), evidence the uids of the contributing events. severity is set where it is
    not the rule's. boot is the boot id of the person's session; the engine adds that of the judged event.
    """

    entity: str
    summary: str
    time: int
    agent: str
    host: str
    evidence: tuple[str, ...]
    person: Person | None = None
    severity: Severity | None = None
    destination: str | None = None
    bytes_out: int | None = None
    details: dict[str, str] = {}
    boot: str | None = None


class Step(msgspec.Struct, frozen=True):
    """One event of an example, at seconds after its beginning, on the host called agent."""

    at: float
    body: Body
    agent: str = "web1"


class Story(msgspec.Struct, frozen=True):
    """An example: what happens, in order, and why it must or must not be found.

    until runs the clock on to that many seconds after the beginning; arrivals are statements that come
    before the steps, received that many nanoseconds after the beginning. organisation is what the
    operator told; its windows are UTC ns, and every example begins at `BEGIN`.
    """

    why: str
    steps: tuple[Step, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    until: float | None = None
    organisation: Organisation | None = None


class Site(msgspec.Struct, frozen=True):
    """What the operator told: parameters by rule and name, and of people, hosts and networks."""

    parameters: dict[str, dict[str, Value]]
    known: Known

    def is_known(self, ip: str) -> bool:
        """Return whether an address is a known destination."""
        return self.known.is_known(ip)

    def number(self, rule: str, parameter: Parameter) -> float:
        """Return the parameter's value as the site set it, else its default."""
        return float(self._value(rule, parameter))

    def words(self, rule: str, parameter: Parameter) -> frozenset[str]:
        """Return a space-separated parameter as a set of words."""
        return _split(str(self._value(rule, parameter)))

    def _value(self, rule: str, parameter: Parameter) -> Value:
        own = self.parameters.get(rule)
        return parameter.default if own is None else own.get(parameter.name, parameter.default)


@functools.lru_cache(256)
def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


def any_program(_site: Site) -> frozenset[str] | None:
    """Serve rules that want to see execs of every program."""
    return None


class Connections(msgspec.Struct, frozen=True):
    """Which connections a rule is shown: of a direction and protocol, of programs with these base names.

    unknown leaves out those whose other end's address the operator knows.
    """

    direction: Literal["out", "in"] | None = None
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    unknown: bool = False
    programs: frozenset[str] | None = None


_ANY_CONNECTION = Connections()


def any_connection(_site: Site) -> Connections:
    """Serve rules that want to see every connection."""
    return _ANY_CONNECTION


def connections_out(_site: Site) -> Connections:
    """Serve rules that want to see what goes out to where the operator knows nothing."""
    return _OUT


_OUT = Connections("out", unknown=True)


class Detection(msgspec.Struct, frozen=True):
    """A pure function of one event. kinds routes: only events of these kinds are shown to it.

    programs routes execs further: only those of programs with these base names are; unusual adds those of any
    program that have what few have (`routes.is_unusual`). connections routes what a connection tells.
    """

    id: str
    version: int
    title: str
    severity: Severity
    attack: tuple[str, ...]
    kinds: tuple[type[Body], ...]
    find: Callable[[Record, Site], Finding | None]
    hits: tuple[Story, ...]
    misses: tuple[Story, ...]
    parameters: tuple[Parameter, ...] = ()
    programs: Callable[[Site], frozenset[str] | None] = any_program
    unusual: bool = False
    connections: Callable[[Site], Connections] = any_connection


def nothing_from_arrivals(_state: Any, _arrival: Arrival, _site: Site) -> Iterable[Finding]:
    """Serve correlations that do not look at chains."""
    return ()


def nothing_from_time(_state: Any, _now: int, _site: Site) -> Iterable[Finding]:
    """Serve correlations in which absence means nothing."""
    return ()


def nothing_from_sessions(_state: Any, _session: SessionRevision, _site: Site) -> Iterable[Finding]:
    """Serve correlations to which it does not matter whose a session turns out to be."""
    return ()


class Correlation(msgspec.Struct, frozen=True):
    """A fold over events. start makes an empty state, of the type `state`, which msgspec can store.

    step, arrived and passed change the state they are given and return what they found; nothing else may
    keep anything, so that the same events give the same findings. Times are UTC ns. programs, unusual and
    connections are as of a `Detection`. revised is shown each new revision of a session, after the events of
    the batch that led to it: whose a session is may become known long after its events.
    """

    id: str
    version: int
    title: str
    severity: Severity
    attack: tuple[str, ...]
    kinds: tuple[type[Body], ...]
    state: Any
    step: Callable[[Any, Record, Site], Iterable[Finding]]
    hits: tuple[Story, ...]
    misses: tuple[Story, ...]
    arrived: Callable[[Any, Arrival, Site], Iterable[Finding]] = nothing_from_arrivals
    passed: Callable[[Any, int, Site], Iterable[Finding]] = nothing_from_time
    revised: Callable[[Any, SessionRevision, Site], Iterable[Finding]] = nothing_from_sessions
    parameters: tuple[Parameter, ...] = ()
    programs: Callable[[Site], frozenset[str] | None] = any_program
    unusual: bool = False
    connections: Callable[[Site], Connections] = any_connection


def engines_own(
    identity: str, title: str, severity: Severity, attack: tuple[str, ...] = (), *parameters: Parameter
) -> Detection:
    """Return a rule that judges no event: under its name the engine tells, or is tuned."""
    return Detection(
        id=identity,
        version=1,
        title=title,
        severity=severity,
        attack=attack,
        kinds=(),
        find=lambda _record, _site: None,
        hits=(),
        misses=(),
        parameters=parameters,
    )


Rule = Detection | Correlation
