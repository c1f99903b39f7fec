"""A person comes from a country in which they never were, while they are in our own network as well.

Our own addresses tell of no place, so `shared-credential` cannot compare them: who is there over the VPN may
be anywhere. But nobody leaves it for a country new for them within the hour. Judged when it is known which
logins were hops from another host, for those come from our network too.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Open
from evidence.kinds.login import Accepted, SessionOpen

from ..bounded import remember
from ..examples import DAY as _DAY
from ..examples import WINDOW, login
from ..measures.baselines import DAY, FirstSeen, day_of
from ..measures.origins import origin
from ..measures.session_work import describe
from ..organisation.known import NetworkLabel, Organisation
from ..record import Person, Record, SessionRevision, key_of
from ..risk import BY_SESSION
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_WINDOW = Parameter("window", 3600, "seconds", "nobody is in two places within an hour")
_LEARN = Parameter("learn", 7, "days", "before, every place of a person is new")
_FORGET = Parameter("forget", 30, "days", "where somebody was within a month is known")
_PEOPLE_LIMIT = 20_000
_SESSIONS_LIMIT = 64
_NS = 1_000_000_000
_SETTLED = 300_000_000_000
"""Nanoseconds after which it is known of a login whether it was a hop from another host."""
_HERE = "here"


class Came(msgspec.Struct, frozen=True, gc=False):
    """A session's login: time (UTC ns by the collector), uids, where, whose; its place, None in our network.

    is_hop: it was come to from another host, so the login tells of no place. told is when that was learnt.
    """

    time: int
    uids: tuple[str, ...]
    agent: str
    host: str
    person: Person
    place: str | None
    is_hop: bool
    told: int


class State(msgspec.Struct):
    """came are the sessions of a person by name, and in it by `record.key_of`.

    places are those that people were in, and "here", by day; waiting the names of those who have a session
    from a new place.
    """

    came: dict[str, dict[str, Came]] = {}
    places: FirstSeen = msgspec.field(default_factory=FirstSeen)
    waiting: dict[str, None] = {}


def _step(_state: State, _record: Record, _site: Site) -> Iterable[Finding]:
    """Find nothing: sessions are judged, not their events."""
    return ()


def _revised(state: State, session: SessionRevision, site: Site) -> Iterable[Finding]:
    """Note from where somebody came, and whether that is new; `_passed` judges, for hops are learnt late."""
    person, source = session.person, session.source
    if source is None or session.opened is None or person.is_scheduled or person.how not in BY_SESSION:
        return ()
    if site.known.is_service_account(person.name) or site.known.use(source) not in (None, "own"):
        return ()
    place = origin(source, site.known) if site.known.use(source) is None else None
    is_hop = bool(person.chain) or (place is None and site.known.use(source) is None)
    at = session.opened - session.skew
    one = Came(at, session.evidence, session.agent, session.host, person, place, is_hop, session.revised)
    own = state.came.get(person.name) or {}
    remember(own, key_of(session.agent, session.boot, session.session), one, _SESSIONS_LIMIT)
    remember(state.came, person.name, own, _PEOPLE_LIMIT)
    if not is_hop:
        state.places.saw(person.name, place or _HERE, day_of(min(at, session.revised)))
    if place is not None and not is_hop and _is_new(state, one, site):
        remember(state.waiting, person.name, None, _PEOPLE_LIMIT)
    return ()


def _is_new(state: State, one: Came, site: Site) -> bool:
    learn, forget = int(site.number(_ID, _LEARN)), int(site.number(_ID, _FORGET))
    day = day_of(min(one.time, one.told))
    return state.places.is_new(one.person.name, one.place or "", day, forget=forget, learn=learn)


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    """Judge who came from a new place beside our own network, once it is known which logins were hops."""
    window = int(site.number(_ID, _WINDOW)) * _NS
    for name in list(state.waiting):
        ready = [
            one for one in state.came.get(name, {}).values() if not one.is_hop and now - one.told > _SETTLED
        ]
        away = [one for one in ready if one.place is not None and _is_new(state, one, site)]
        for one in away:
            near = [at for at in ready if at.place is None and abs(at.time - one.time) <= window]
            if near and not site.known.is_change(one.host, name, one.time):
                yield _beside(one, min(near, key=lambda at: (abs(at.time - one.time), at.time, at.uids)))
        if all(
            now - one.told > 2 * window for one in state.came.get(name, {}).values() if one.place is not None
        ):
            del state.waiting[name]


def _beside(one: Came, near: Came) -> Finding:
    """Return that somebody came from a new place while they were in our own network."""
    apart = abs(one.time - near.time) // _NS
    return Finding(
        entity=f"{one.person.name}|{one.place}|{one.time // DAY}",
        summary=f"{describe(one.person)} came from {one.place} to {one.host}, for the first time, "
        f"and within {apart} s from our own network to {near.host}",
        time=max(one.time, near.time),
        agent=one.agent,
        host=one.host,
        evidence=tuple(dict.fromkeys((*one.uids, *near.uids))),
        person=one.person,
        details={"addresses": f"{one.person.source} {near.person.source}"},
    )


_ID = "here-and-away"
_BR = "203.0.113.9"
_PLACES = Organisation(
    networks=(NetworkLabel("203.0.113.0/24", place="BR"), NetworkLabel("192.0.2.0/24", use="own"))
)
_TOLD = msgspec.structs.replace(_PLACES, change_windows=WINDOW.change_windows)
_DESK = "192.0.2.9"
_LATER = 10 * _DAY


def _comes(at: float, ip: str, host: str, session: int) -> tuple[Step, ...]:
    """Return alice's login and its session."""
    came = msgspec.structs.replace(login(ip=ip), pid=session, source=Endpoint(ip=ip, port=50_000 + session))
    start = SessionOpen(program="sshd", user="alice", pid=session, auid=1000, session=session)
    return Step(at, came, host), Step(at + 1, start, host)


def _beside_desk(why: str, *steps: Step, organisation: Organisation = _PLACES) -> Story:
    """Return steps after days at a desk in our network; the clock runs on for half an hour."""
    usual = tuple(step for day in range(10) for step in _comes(day * _DAY, _DESK, "web1", 20 + day))
    return Story(why, (*usual, *steps), until=_LATER + 2400, organisation=organisation)


def _goes_on() -> tuple[Step, ...]:
    """Return alice coming from abroad, and going on from that host, which is in our network, to another."""
    actor = Actor(pid=60, exe="/usr/bin/ssh", uid=1000, auid=1000, session=90)
    ends = Endpoint(ip="192.0.2.5", port=50_091), Endpoint(ip="192.0.2.6", port=22)
    call = Open(flow=91, protocol="tcp", direction="out", local=ends[0], remote=ends[1], actor=actor)
    there = _comes(_LATER + 60, "192.0.2.5", "web2", 91)
    return *_comes(_LATER, _BR, "web1", 90), Step(_LATER + 59, call, "web1"), *there


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="In a new country and in our own network at once",
    severity="medium",
    attack=("T1078", "T1552.004"),
    kinds=(Accepted,),
    state=State,
    step=_step,
    revised=_revised,
    passed=_passed,
    parameters=(_WINDOW, _LEARN, _FORGET),
    hits=(
        _beside_desk(
            "from a country in which they never were, while they are in our network",
            *_comes(_LATER, _DESK, "web1", 90),
            *_comes(_LATER + 600, _BR, "web2", 91),
        ),
    ),
    misses=(
        _beside_desk("on a journey", *_comes(_LATER, _BR, "web1", 90)),
        _beside_desk("on a journey, and on from host to host", *_goes_on()),
        _beside_desk(
            "from where they were last week as well",
            *_comes(0, _BR, "web1", 80),
            *_comes(_LATER, _DESK, "web1", 90),
            *_comes(_LATER + 600, _BR, "web2", 91),
        ),
        _beside_desk(
            "announced work abroad",
            *_comes(_LATER, _DESK, "web1", 90),
            *_comes(_LATER + 600, _BR, "web2", 91),
            organisation=_TOLD,
        ),
    ),
)
