"""Bytes leave over a login from where this person never came before, or over hosts by a way new for them.

How much somebody fetches on a day tells little where they often fetch much. From where they come, and over
which hosts, changes seldom: there little is much.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.login import Accepted, SessionOpen

from ..by_person import is_change
from ..examples import DAY as _DAY
from ..examples import WINDOW, opened
from ..measures.baselines import FirstSeen, day_of
from ..measures.origins import origin
from ..measures.outflow import Outflow, Work, moved
from ..measures.session_work import Acting, key, moving, sender
from ..measures.volume import Volume
from ..organisation.known import NetworkLabel, Organisation
from ..record import Record, SessionRevision
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 1_000_000, "bytes", "an hour at a terminal shows less")
_RATIO = Parameter("ratio", 3, "bytes out for each in", "who uploads onto the host gets little back")
_LEARN = Parameter("learn", 7, "days", "before, every place and way of a person is new")
_FORGET = Parameter("forget", 30, "days", "what was used within a month is known")
_SSHD = frozenset({"sshd", "sshd-session", "dropbear"})
_FROM, _HERE = "from ", "here"
_HOW = "over a connection that came in"
_DEEP = 2
"""Hosts before this one from which on the way is no bastion's any more."""


class State(Outflow):
    """ways are, by person: where from (``from PLACE``), between hosts (``AGENT>AGENT``), and here."""

    ways: FirstSeen = msgspec.field(default_factory=FirstSeen)


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    flow = moving(record)
    if flow is None or record.person is None or flow.direction != "in" or sender(flow) not in _SSHD:
        return ()
    work, _volume, grown = state.count(record, flow, _HOW)
    state.ways.saw(record.person.name, _way(record, flow.remote.ip, site) or _HERE, grown.day)
    return () if is_change(record, site) else _judged(state, work, record, site, [flow.remote.ip])


def _revised(state: State, session: SessionRevision, site: Site) -> Iterable[Finding]:
    """A session turns out to have been reached from another: the way to it is another."""
    work = state.sessions.get(key(session) or "") if session.person.chain else None
    if work is None:
        return ()
    for address, volume in work.volumes.items():
        state.ways.saw(session.person.name, _way(session, address, site) or _HERE, day_of(volume.last))
    if site.known.is_change(session.host, session.person.name, session.revised):
        return ()
    return _judged(state, work, session, site, list(work.volumes))


def _way(record: Acting, address: str, site: Site) -> str | None:
    """Return from where somebody came to a host, as `State.ways` has it; None where that tells nothing."""
    chain = record.person.chain if record.person is not None else ()
    if chain:
        is_deep = len(chain) >= _DEEP and chain[-1].agent != record.agent
        return f"{chain[-1].agent}>{record.agent}" if is_deep else None
    came = origin(address, site.known)
    return None if came is None else f"{_FROM}{came}"


def _judged(state: State, work: Work, record: Acting, site: Site, addresses: list[str]) -> Iterable[Finding]:
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < max(site.number(_ID, _BYTES), site.number(_ID, _RATIO) * volume.into):
            continue
        fresh = _fresh(state, volume, record, address, site)
        if fresh is not None:
            found = moved(record, address, volume)
            yield replace(found, summary=f"{found.summary}, {fresh}")


def _fresh(state: State, volume: Volume, record: Acting, address: str, site: Site) -> str | None:
    """Return in words that the person never came from there, or this way, on other days; else None."""
    way, person = _way(record, address, site), record.person
    if way is None or person is None:
        return None
    learn, forget = int(site.number(_ID, _LEARN)), int(site.number(_ID, _FORGET))
    if not state.ways.is_new(person.name, way, day_of(volume.last), forget=forget, learn=learn):
        return None
    if way.startswith(_FROM):
        return f"{way}, where they did not come from before"
    return f"on the way from {person.chain[-1].host}, which is new for them"


def _connections(_site: Site) -> Connections:
    return Connections("in", programs=_SSHD)


_ID = "new-way-download"
_HOME = Endpoint(ip="198.51.100.7", port=50_000)
_AWAY = Endpoint(ip="203.0.113.9", port=50_000)
_SERVER = Actor(pid=70, exe="/usr/sbin/sshd", uid=1000, auid=1000, session=7)
_PLACES = Organisation(
    networks=(
        NetworkLabel("198.51.100.0/24", place="DE"),
        NetworkLabel("203.0.113.0/24", place="BR"),
        NetworkLabel("10.0.0.0/8", use="own"),
    )
)
_ADDRESSES = {"app1": "10.0.0.2", "app2": "10.0.0.3", "db1": "10.0.0.4"}


def _sent(out: int, remote: Endpoint = _HOME, session: int = 7, into: int = 900) -> Close:
    return Close(
        flow=session, protocol="tcp", direction="in", local=Endpoint(ip="10.0.0.2", port=22), remote=remote,
        bytes_out=out, bytes_in=into, actor=replace(_SERVER, session=session),
    )  # fmt: skip


def _usual(remote: Endpoint = _HOME) -> tuple[Step, ...]:
    """Return more than a week in which large files are fetched each day, each in a session of its own."""
    return tuple(Step(day * _DAY, _sent(900_000_000, remote, 100 + day)) for day in range(10))


def _over(at: float, size: int, number: int = 500) -> tuple[Step, ...]:
    """Return alice going on from app1 to app2 and db1, which sends bytes back."""
    steps, came = [], _HOME
    for depth, host in enumerate(_ADDRESSES):
        session, local = number + depth, Endpoint(ip=_ADDRESSES[host], port=22)
        login = Accepted(program="sshd", user="alice", pid=session, source=came, local=local)
        start = SessionOpen(program="sshd", user="alice", pid=session, auid=1000, session=session)
        steps += [Step(at + 10 * depth, login, host), Step(at + 10 * depth + 1, start, host)]
        if host == "db1":
            steps.append(Step(at + 60, _sent(size, came, session), host))
            break
        port, goal = number + depth, list(_ADDRESSES.values())[depth + 1]
        came = Endpoint(ip=_ADDRESSES[host], port=port)
        ssh = Actor(pid=60, exe="/usr/bin/ssh", uid=1000, auid=1000, session=session)
        there = Endpoint(ip=goal, port=22)
        call = Open(flow=port, protocol="tcp", direction="out", local=came, remote=there, actor=ssh)
        steps.append(Step(at + 10 * depth + 9, call, host))
    return tuple(steps)


def _story(why: str, *steps: Step, organisation: Organisation = _PLACES) -> Story:
    return Story(why, (Step(0, opened()), *steps), organisation=organisation)


_LATER = 10 * _DAY

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Data fetched from a new place or over a new way",
    severity="medium",
    attack=("T1048", "T1021.004"),
    kinds=(Close, Report),
    state=State,
    step=_step,
    revised=_revised,
    parameters=(_BYTES, _RATIO, _LEARN, _FORGET),
    connections=_connections,
    hits=(
        _story(
            "little is fetched from another country, by who fetches much each day",
            *_usual(), Step(_LATER, _sent(3_000_000, _AWAY)),
        ),
        _story(
            "a network never seen, where no places are told",
            *_usual(), Step(_LATER, _sent(3_000_000, _AWAY)),
            organisation=Organisation(networks=_PLACES.networks[2:]),
        ),
        _story("on over two hosts, and back", *_usual(), *_over(_LATER, 5_000_000)),
    ),
    misses=(
        _story("as each day", *_usual()),
        _story("a newcomer, of whom every place is new", Step(0, _sent(3_000_000, _AWAY))),
        _story("work at a terminal abroad", *_usual(), Step(_LATER, _sent(300_000, _AWAY))),
        _story("over the VPN instead", *_usual(), Step(_LATER, _sent(3_000_000, Endpoint(ip="10.9.0.9")))),
        _story("a file is brought", *_usual(), Step(_LATER, _sent(3_000_000, _AWAY, 7, 2_000_000))),
        _story("the same way each week", *_over(0, 5_000_000, 20), *_usual(), *_over(_LATER, 5_000_000)),
        _story(
            "announced work",
            *_usual(), Step(_LATER, _sent(3_000_000, _AWAY)),
            organisation=replace(_PLACES, change_windows=WINDOW.change_windows),
        ),
    ),
)  # fmt: skip
