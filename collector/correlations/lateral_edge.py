"""A person goes on from one host to another on a way they did not use before.

Judged is the last step of the chain of sessions, once for each session. Medium from the third host on, where
the way is no bastion's any more, if neither they nor a colleague of the same role were on that host before by
any way; low where they themselves were not; else, where only the way is new, informational.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Open
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Exec

from ..alert import Severity
from ..bounded import remember
from ..examples import DAY, WINDOW
from ..measures.baselines import DAY as _DAY
from ..measures.baselines import DEPTH, FirstSeen, day_of, day_seen
from ..measures.session_work import describe
from ..organisation.known import Human, Organisation
from ..record import Record, SessionRevision
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_LEARN = Parameter("learn", 7, "days", "before, every way of a person is new")
_FORGET = Parameter("forget", 30, "days", "a way that was used within a month is known")
_SESSIONS_LIMIT = 20_000
_OLDEST = (DEPTH - 1) * _DAY
_DEEP = 2
"""Hosts before this one from which on a new way is more than a hint."""


class State(msgspec.Struct):
    """ways are by person, as ``from>to`` of agents, ``>to`` by any way, and "here" on days with a login.

    Of all who have a role (`Human.role`) together it holds ``>to`` by role, as ``role:NAME``.

    judged holds by session the way and hosts that it was judged for: a link that is found late changes them.
    """

    ways: FirstSeen = msgspec.field(default_factory=FirstSeen)
    judged: dict[str, str] = {}


def _step(state: State, record: Record, _site: Site) -> Iterable[Finding]:
    person = record.person
    if person is not None and not person.chain and not person.is_scheduled:
        state.ways.saw(person.name, "here", day_seen(record))
    return ()


def _revised(state: State, session: SessionRevision, site: Site) -> Iterable[Finding]:
    """Judge a session by its chain, which may become known after the session's last event."""
    person = session.person
    if person.is_scheduled:
        return ()
    if not person.chain or person.chain[-1].agent == session.agent:
        _came(state, session, site)
        return ()
    name, way = (
        f"{session.agent}|{session.boot}|{session.session}",
        f"{person.chain[-1].agent}>{session.agent}",
    )
    judged = f"{person.name}|{'>'.join(hop.agent for hop in person.chain)}|{session.opened}"
    if state.judged.get(name) == judged:
        return ()
    remember(state.judged, name, judged, _SESSIONS_LIMIT)
    day = _day(session)
    state.ways.saw(person.name, way, day)
    _came(state, session, site)
    learn, forget = int(site.number(_ID, _LEARN)), int(site.number(_ID, _FORGET))
    if not state.ways.is_new(person.name, way, day, forget=forget, learn=learn):
        return ()
    if site.known.is_change(session.host, person.name, _opened(session) - session.skew):
        return ()
    fresh = [
        state.ways.is_new(name, f">{session.agent}", day, forget=forget, learn=learn)
        for name in _names(session, site)
    ]
    return (_finding(session, way, _severity(fresh, len(session.person.chain))),)


def _severity(fresh: Sequence[bool], depth: int) -> Severity:
    """Return what a new way is worth: fresh is whether the host is new for the person, and for their role."""
    if not fresh[0]:
        return "informational"
    return "medium" if all(fresh) and depth >= _DEEP else "low"


def _came(state: State, session: SessionRevision, site: Site) -> None:
    """Note that a person, and with them their role, was on a host."""
    for name in _names(session, site):
        state.ways.saw(name, f">{session.agent}", _day(session))


def _names(session: SessionRevision, site: Site) -> tuple[str, ...]:
    """Return the person, and the role that they share with others."""
    human = site.known.human(session.person.name)
    return (
        (session.person.name,) if human is None or human.role is None else (human.name, f"role:{human.role}")
    )


def _opened(session: SessionRevision) -> int:
    """Return when a session began by its host's clock, or else when it was told of (UTC ns)."""
    return session.opened if session.opened is not None else session.revised


def _day(session: SessionRevision) -> int:
    """Return the day on which a session began, as far as its host may say."""
    at = _opened(session) - session.skew
    return day_of(min(max(at, session.revised - _OLDEST), session.revised))


def _finding(session: SessionRevision, way: str, severity: Severity) -> Finding:
    """Return that a person took a new way."""
    person = session.person
    hosts = [*[hop.host for hop in person.chain], session.host]
    return Finding(
        entity=f"{session.agent}|{session.boot}|{session.session}|{way}",
        summary=f"{describe(person)} went {' > '.join(hosts)}: "
        f"new for them is the way from {hosts[-2]} to {hosts[-1]}",
        time=_opened(session),
        agent=session.agent,
        host=session.host,
        evidence=session.evidence,
        person=person,
        severity=severity,
        details={"hosts": " ".join(hosts)[:2000]},
        boot=session.boot,
    )


_ID = "lateral-edge"
_ADDRESSES = {"bastion": "10.0.0.1", "app1": "10.0.0.2", "app2": "10.0.0.3", "db1": "10.0.0.4"}


def _arrives(at: float, host: str, user: str, session: int, source: Endpoint) -> tuple[Step, ...]:
    """Return a login on host, its session, and a command in it."""
    uid, pid = {"alice": 1000, "bob": 1002}.get(user, 1500), 100 + session
    login = Accepted(
        program="sshd",
        user=user,
        pid=pid,
        method="publickey",
        source=source,
        local=Endpoint(ip=_ADDRESSES[host], port=22),
    )
    opened = SessionOpen(program="sshd", user=user, pid=pid, auid=uid, session=session)
    command = Exec(pid=300, exe="/usr/bin/id", argv=("id",), uid=uid, auid=uid, session=session)
    return Step(at, login, host), Step(at + 1, opened, host), Step(at + 2, command, host)


def _goes(at: float, way: str, first: int = 7, who: str = "alice") -> tuple[Step, ...]:
    """Return somebody logging in to the first of the hosts on a way, and on from each to the next."""
    hosts = way.split(">")
    steps = list(_arrives(at, hosts[0], who, first, Endpoint(ip="198.51.100.7", port=50_000 + first)))
    for depth, (start, to) in enumerate(pairwise(hosts)):
        actor = Actor(
            pid=400, exe="/usr/bin/ssh", uid=1000, auid=1000 if not depth else 1500, session=first + depth
        )
        port = 40_000 + first + depth
        call = Open(
            flow=port,
            protocol="tcp",
            direction="out",
            local=Endpoint(ip=_ADDRESSES[start], port=port),
            remote=Endpoint(ip=_ADDRESSES[to], port=22),
            actor=actor,
        )
        begin = at + 10 * (depth + 1)
        steps += [Step(begin, call, start)]
        steps += _arrives(begin + 1, to, "deploy", first + depth + 1, call.local)
    return tuple(steps)


def _story(why: str, *steps: tuple[Step, ...], organisation: Organisation | None = None) -> Story:
    return Story(why, tuple(step for one in steps for step in one), organisation=organisation)


_ROLE = Organisation(people=tuple(Human(name, (name,), role="sre") for name in ("alice", "bob")))
_DAILY = tuple(step for day in range(9) for step in _goes(day * DAY, "bastion>app1", 10 * day + 10))
_LATER = 10 * DAY

CORRELATION = Correlation(
    id=_ID,
    version=3,
    title="New way from host to host",
    severity="medium",
    attack=("T1021.004", "T1563.001"),
    kinds=(Accepted, SessionOpen),
    state=State,
    step=_step,
    revised=_revised,
    parameters=(_LEARN, _FORGET),
    hits=(
        _story("on from the daily host to the database", _DAILY, _goes(_LATER, "bastion>app1>db1", 500)),
        _story(
            "from the daily host to one that they always reach otherwise: informational",
            _DAILY,
            *[_goes(day * DAY, "db1", 200 + day) for day in range(9)],
            _goes(_LATER, "bastion>app1>db1", 500),
        ),
        _story(
            "to where a colleague of the same role works: a hint",
            _DAILY,
            _goes(8 * DAY, "db1", 300, "bob"),
            _goes(_LATER, "bastion>app1>db1", 500),
            organisation=_ROLE,
        ),
        _story("a second host that is new: a hint", _DAILY, _goes(_LATER, "bastion>app2", 500)),
        _story(
            "never went anywhere before",
            _goes(0, "bastion", 10),
            _goes(_LATER, "bastion>app1", 500),
        ),
    ),
    misses=(
        _story("the bastion and the daily host", _DAILY, _goes(_LATER, "bastion>app1", 500)),
        _story("a way of last week, once more", _goes(0, "bastion", 10), _goes(DAY, "bastion>app1>db1", 20)),
        _story(
            "the same deep way each day",
            _goes(0, "bastion>app1>db1", 10),
            _goes(5 * DAY, "bastion>app1>db1", 20),
            _goes(_LATER, "bastion>app1>db1", 30),
        ),
        _story("only the first host", _DAILY, _goes(_LATER, "app2", 500)),
        _story("announced work", _DAILY, _goes(_LATER, "bastion>app1>db1", 500), organisation=WINDOW),
    ),
)
