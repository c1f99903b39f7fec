"""An agent stopped talking without a farewell; names the last person seen active on its host.

High where a person was at work there, or where others still see the host answer; else the fleet's health.
Where its connection broke off and a person was at work, it is told then, else after some heartbeats.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.agent import Heartbeat, Start, Stop
from evidence.kinds.collector import Act
from evidence.kinds.connection import Close, Open
from evidence.kinds.login import SessionClose
from evidence.kinds.process import Exec
from evidence.kinds.state import Host, Interface

from ..alert import Severity
from ..bounded import remember
from ..examples import run
from ..ingest.presence import VERB
from ..organisation.known import HostLabel, Organisation
from ..record import Arrival, Person, Record, uid_of
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_MISSED = Parameter("missed", 3, "heartbeats", "one late heartbeat is a busy network, three are none")
_LEAST = Parameter("least", 90, "seconds", "shorter silences are restarts")
_PRESENT = Parameter("present", 900, "seconds", "who silences an agent was at work there shortly before")
_AGENTS_LIMIT = 100_000
_ADDRESSES_LIMIT = 200_000
_PER_HOST = 32
_NS = 1_000_000_000
_SLACK = 10 * _NS
"""Clocks of two hosts, as estimated, agree to within this."""
_LOCAL = ("lo", "docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "podman", "lxc")
"""Interfaces whose addresses many hosts have alike."""
_EPHEMERAL = "ephemeral"


class Seen(msgspec.Struct, gc=False):
    """What was last heard of an agent; times are UTC ns of the collector's clock.

    uid is of the last event that the agent tells of itself; empty while there was none.
    """

    host: str
    received: int
    uid: str = ""
    newest: tuple[int, int] = (0, 0)
    """Epoch and seq of uid's event: what comes later may have happened before."""
    interval: float = 60.0
    farewell: int | None = None
    """seq of the farewell; what has a smaller one may still arrive in the other lane."""
    told: Severity | None = None
    person: Person | None = None
    place: tuple[int, int] = (0, 0)
    """Epoch and seq of the event that shows the person."""
    boot: str = ""
    active: int = 0
    closed: dict[str, int] = {}
    """When (UTC ns) the last sessions ended, by boot and session."""
    neighbour: tuple[int, str] | None = None
    """When another agent's host last opened a connection with this one, and that event's uid."""


class State(msgspec.Struct):
    """By agent id; addresses to the agent that has it, "" where several do."""

    agents: dict[str, Seen] = {}
    addresses: dict[str, str] = {}


def _arrived(state: State, arrival: Arrival, _site: Site) -> Iterable[Finding]:
    seen = state.agents.get(arrival.agent)
    if seen is not None:
        seen.received, seen.told = arrival.received, None
    return ()


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Exec):
        _at_work(state, record)
        return ()
    if isinstance(body, Open | Close):
        return _neighbour(state, record, body, site)
    if isinstance(body, SessionClose):
        _left(state, record, body)
        return ()
    if isinstance(body, Act):
        return _broke_off(state, record, body, site)
    seen = state.agents.get(record.agent)
    if seen is None:
        if len(state.agents) >= _AGENTS_LIMIT:
            return ()
        seen = state.agents[record.agent] = Seen(record.host, record.received)
    seen.received, seen.told = max(seen.received, record.received), None
    place = (record.epoch, record.event.seq)
    if place >= seen.newest:
        seen.newest, seen.host, seen.uid = place, record.host, record.uid
        seen.farewell = record.event.seq if isinstance(body, Stop) else None
        if isinstance(body, Heartbeat):
            seen.interval = body.interval
    if isinstance(body, Host):
        _learn(state, record.agent, body)
    return ()


def _at_work(state: State, record: Record) -> None:
    """Note who was last active; a timer's session is nobody at work."""
    person = record.person
    if person is None or person.is_scheduled:
        return
    seen = state.agents.get(record.agent)
    if seen is None:
        if len(state.agents) >= _AGENTS_LIMIT:
            return
        seen = state.agents[record.agent] = Seen(record.host, record.received)
    event = record.event
    at, place = event.time - record.skew, (record.epoch, event.seq)
    if at > seen.active or (at == seen.active and place > seen.place):
        seen.person, seen.place, seen.active, seen.boot = person, place, at, record.boot


def _left(state: State, record: Record, body: SessionClose) -> None:
    """Note that a session ended: who was in it has not done what came after."""
    seen = state.agents.get(record.agent)
    if seen is not None and body.session is not None:
        remember(seen.closed, f"{record.boot}|{body.session}", record.at, _PER_HOST)


def _learn(state: State, agent: str, body: Host) -> None:
    """Learn at which addresses an agent's host answers."""
    for interface in body.interfaces[:_PER_HOST]:
        if interface.name.startswith(_LOCAL):
            continue
        for address in interface.addresses[:_PER_HOST]:
            ip = address.partition("/")[0]
            other = state.addresses.get(ip, agent)
            gone = state.agents.get(other)
            is_free = other == agent or gone is None or gone.farewell is not None or gone.told is not None
            remember(state.addresses, ip, agent if is_free and other else "", _ADDRESSES_LIMIT)


def _neighbour(state: State, record: Record, body: Open | Close, site: Site) -> Iterable[Finding]:
    """Note that a host answered: only a TCP connection that was established shows it."""
    agent = state.addresses.get(body.remote.ip)
    if not agent or agent == record.agent or body.protocol != "tcp":
        return ()
    seen = state.agents.get(agent)
    if seen is None:
        return ()
    answered = isinstance(body, Open) or bool(body.bytes_in)
    begun = record.at - (body.duration or 0 if isinstance(body, Close) else 0)
    if not answered or begun <= seen.received + _SLACK or (begun, record.uid) <= (seen.neighbour or (0, "")):
        return ()
    seen.neighbour = (begun, record.uid)
    return (_finding(agent, seen, seen.received, site),) if seen.told not in (None, "high") else ()


def _broke_off(state: State, record: Record, body: Act, site: Site) -> Iterable[Finding]:
    """Tell of a host whose agent's connection ended without a farewell while a person was at work there."""
    seen = state.agents.get(body.object or "") if body.verb == VERB else None
    if seen is None or body.object is None or seen.farewell is not None or seen.told is not None:
        return ()
    if seen.person is None or _severity(seen, site) != "high":
        return ()
    found = _finding(body.object, seen, record.event.time, site, broke_off=record.uid)
    has_left = f"{seen.boot}|{seen.person.session}" in seen.closed
    return (msgspec.structs.replace(found, person=None) if has_left else found,)


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    missed, least = site.number(_ID, _MISSED), site.number(_ID, _LEAST)
    for agent, seen in state.agents.items():
        allowed = int(max(missed * seen.interval, least) * _NS)
        if seen.farewell is not None or seen.told is not None or now - seen.received <= allowed:
            continue
        severity = _severity(seen, site)
        if severity == "low" and _EPHEMERAL in site.known.labels(seen.host):
            continue
        yield _finding(agent, seen, seen.received + allowed, site)


def _severity(seen: Seen, site: Site) -> Severity:
    present = int(site.number(_ID, _PRESENT) * _NS)
    is_seen = seen.neighbour is not None and seen.neighbour[0] > seen.received + _SLACK
    return (
        "high" if is_seen or (seen.person is not None and seen.received - seen.active <= present) else "low"
    )


def _finding(agent: str, seen: Seen, time: int, site: Site, broke_off: str | None = None) -> Finding:
    seen.told = severity = _severity(seen, site)
    last = f"; last person active: {seen.person.name}" if seen.person else ""
    shown = uid_of(agent, *seen.place) if seen.person is not None else seen.uid
    last_uid = seen.uid or shown
    evidence = [shown, last_uid]
    still = ""
    if seen.neighbour is not None and seen.neighbour[0] > seen.received + _SLACK:
        still = "; another host still talks with it"
        evidence.append(seen.neighbour[1])
    what = "is silent, without a farewell"
    if broke_off is not None:
        what = "broke off its connection without a farewell, and did not come back"
        evidence.append(broke_off)
    return Finding(
        entity=f"{agent}|{last_uid}",
        summary=f"{seen.host} {what}{last}{still}",
        time=time,
        agent=agent,
        host=seen.host,
        evidence=tuple(dict.fromkeys(evidence)),
        person=seen.person,
        severity=severity,
    )


def _connections(_site: Site) -> Connections:
    return Connections(protocol="tcp")


_ID = "agent-silent"
_BEAT = Heartbeat(events=1, interval=60.0, sensors={})
_HOST = Host(host="web1", interfaces=(Interface(name="eth0", addresses=("10.0.0.5/24",)),))
_DOCKER = Host(host="web1", interfaces=(Interface(name="docker0", addresses=("172.17.0.1/16",)),))


def _talks(ip: str) -> Step:
    """Return a connection that another host has with web1 a while after it fell silent."""
    return Step(
        300,
        Open(
            flow=1,
            protocol="tcp",
            direction="out",
            local=Endpoint(ip="10.0.0.6", port=50_000),
            remote=Endpoint(ip=ip, port=443),
        ),
        agent="web2",
    )


def _ended(at: float) -> Step:
    """Return what the collector records of the end of web1's connection."""
    return Step(at, Act(user="collector", verb=VERB, object="web1"), agent="collector")


_SPOT = Organisation(hosts=(HostLabel("web*", (_EPHEMERAL,)),))

CORRELATION = Correlation(
    id=_ID,
    version=3,
    title="Agent silent",
    severity="high",
    attack=("T1562.001",),
    kinds=(Start, Stop, Heartbeat, Exec, Open, Close, SessionClose, Host, Act),
    state=State,
    step=_step,
    arrived=_arrived,
    passed=_passed,
    parameters=(_MISSED, _LEAST, _PRESENT),
    connections=_connections,
    hits=(
        Story("alice runs a command, then nothing is heard", (Step(0, _BEAT), Step(5, run("id"))), until=400),
        Story("nobody was at work: the fleet's health", (Step(0, _BEAT),), until=400),
        Story(
            "another host still talks with it",
            (Step(0, _HOST), Step(1, _BEAT), _talks("10.0.0.5")),
            until=700,
        ),
        Story(
            "a host that may go, while alice was at work",
            (Step(0, _BEAT), Step(5, run("id"))),
            until=400,
            organisation=_SPOT,
        ),
        Story(
            "killed after alice had left: nobody is named",
            (
                Step(0, _BEAT),
                Step(5, run("id")),
                Step(6, SessionClose(program="sshd", user="alice", session=7, auid=1000)),
                _ended(12),
            ),
            until=20,
        ),
        Story("killed while alice was at work", (Step(0, _BEAT), Step(5, run("id")), _ended(12)), until=20),
    ),
    misses=(
        Story("the agent said farewell", (Step(0, _BEAT), Step(5, Stop(reason="reboot"))), until=4000),
        Story(
            "alice reboots the host, and its connection ends",
            (Step(0, _BEAT), Step(5, run("reboot")), Step(8, Stop(reason="reboot")), _ended(14)),
            until=4000,
        ),
        Story("a connection ends, and nobody was at work", (Step(0, _BEAT), _ended(12)), until=20),
        Story("a heartbeat is a little late", (Step(0, _BEAT), Step(130, _BEAT)), until=200),
        Story("it just started", (Step(0, Start(version="1", host="web1", clean=True)),), until=60),
        Story("a spot instance is taken back", (Step(0, _BEAT),), until=400, organisation=_SPOT),
        Story(
            "such a host, and an address that many hosts have",
            (Step(0, _DOCKER), Step(1, _BEAT), _talks("172.17.0.1")),
            until=700,
            organisation=_SPOT,
        ),
    ),
)
