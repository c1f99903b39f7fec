"""A person sends a little each day to a destination new for them, until it is much.

Judged is the cumulative sum of what goes beyond a daily allowance (CUSUM). A destination that much of the
fleet uses on behalf of others is a service: telemetry, a package mirror. Where nobody else sends at all,
to go there on each working day of a week is enough: that is a habit nobody has, even while it is little.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Endpoint
from evidence.kinds.connection import Close, Report

from ..bounded import remember
from ..by_person import by_person
from ..examples import AWAY, DAY, SERVICE, alice, run, sent
from ..measures.baselines import DEPTH, Daily, cusum, day_seen
from ..measures.session_work import describe, size
from ..organisation.known import NetworkLabel, Organisation
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story, connections_out

_ALLOWANCE = Parameter(
    "allowance", 500_000, "bytes a day", "what browsing and tools leave at a place each day"
)
_BYTES = Parameter(
    "bytes", 40_000_000, "bytes", "a week of eight megabytes a day; a source tree, a customer list"
)
_DAYS = Parameter("days", 4, "days", "what leaves within fewer days is no slow leak: other rules judge it")
_STEADY = Parameter(
    "steady", 5, "days of a week", "each working day, to where nobody else of the fleet sends"
)
_STEADY_BYTES = Parameter(
    "steady_bytes", 1_000_000, "bytes beyond the allowance", "steady use of a page or two stays below"
)
_LEARN = Parameter("learn", 7, "days", "before, every destination of a person is new")
_SHARE = Parameter("share", 50, "percent of hosts", "what so many hosts use for others is a service")
_LEAST = 4096
"""Bytes of a flow that says hardly more than its greeting; nearly all flows are such."""
_PEOPLE_LIMIT = 8_192
_PAIRS_LIMIT = 20_000
_DESTINATIONS_LIMIT = 8_192
_HOSTS_LIMIT = 256
_FLEET_LIMIT = 20_000
_FLOWS_LIMIT = 32
_EVIDENCE = 20
_WEEK = 7
_LONGEST = 45
"""Days after which a destination that is not left alone counts as new again."""


class Drip(msgspec.Struct, gc=False):
    """What one person sent to one destination: by day; bytes by flow; an event of each of the first days.

    begun: the day since which it is used, without a rest of more than _LONGEST days; last: the last such day.
    Sums are kept of DEPTH days, by which all that is in steady use would look new when these have gone by.
    """

    begun: int
    last: int
    sums: Daily
    flows: dict[str, int] = {}
    evidence: dict[int, tuple[int, str]] = {}


class State(msgspec.Struct):
    """What is known of persons and destinations.

    since: person to the first day on which they sent anywhere. pairs: by ``person|destination``, what was not
    used for longest first. hosts: destination to agent to who used it there, "*" for several.
    """

    since: dict[str, int] = {}
    pairs: dict[str, Drip] = {}
    hosts: dict[str, dict[str, str]] = {}
    fleet: dict[str, None] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if not isinstance(body, Close | Report) or body.direction != "out" or (body.bytes_out or 0) < _LEAST:
        return ()
    if site.is_known(body.remote.ip):
        return ()
    destination, person = _destination(body.remote), by_person(record, site)
    _used(state, destination, record.agent, "" if person is None else person.name)
    if person is None:
        return ()
    day = day_seen(record)
    drip = _used_on(state, person.name, destination, day)
    _add(drip, record, body, day)
    return _judge(state, drip, destination, record, site)


def _used_on(state: State, person: str, destination: str, day: int) -> Drip:
    """Return what a person sends to a destination, which they use on day."""
    since = state.since.get(person)
    if since is None:
        remember(state.since, person, day, _PEOPLE_LIMIT)
    elif day < since:
        state.since[person] = day
    key = f"{person}|{destination}"
    drip = state.pairs.get(key)
    if drip is None:
        drip = Drip(day, day, Daily())
        remember(state.pairs, key, drip, _PAIRS_LIMIT)
    elif day > drip.last:  # once a day: what is used goes last
        remember(state.since, person, state.since[person], _PEOPLE_LIMIT)
        remember(state.pairs, key, drip, _PAIRS_LIMIT)
        if day - drip.last > _LONGEST:
            drip.begun = day
        drip.last = day
    elif 0 < drip.begun - day <= _LONGEST:
        drip.begun = day
    return drip


def _destination(remote: Endpoint) -> str:
    """Return the name that an answer told, else the address: what a client claims (TLS) is no proof."""
    return remote.name if remote.name and remote.named_by is None else remote.ip


def _used(state: State, destination: str, agent: str, who: str) -> None:
    hosts = state.hosts.get(destination)
    if hosts is None:
        hosts = {}
        remember(state.hosts, destination, hosts, _DESTINATIONS_LIMIT)
    if agent in hosts:
        if hosts[agent] != who:
            hosts[agent] = "*"
    elif len(hosts) < _HOSTS_LIMIT:
        hosts[agent] = who
    if agent not in state.fleet:
        remember(state.fleet, agent, None, _FLEET_LIMIT)


def _add(drip: Drip, record: Record, body: Close | Report, day: int) -> None:
    """Count what a flow has sent since it was last told of; a report may come after its close."""
    flow, total = f"{record.boot}|{body.flow}", body.bytes_out or 0
    more = total - drip.flows.get(flow, 0)
    if more <= 0:
        return
    remember(drip.flows, flow, total, _FLOWS_LIMIT)
    drip.sums.add(day, more)
    one = (record.at, record.uid)
    drip.evidence[day] = min(one, drip.evidence.get(day, one))
    if len(drip.evidence) > _EVIDENCE:
        del drip.evidence[max(drip.evidence)]


def _judge(state: State, drip: Drip, destination: str, record: Record, site: Site) -> Iterable[Finding]:
    person, day = record.person, max(drip.sums.days, default=0)
    if person is None or len(drip.sums.days) < site.number(_ID, _DAYS):
        return ()
    since = drip.begun
    learnt = since - state.since[person.name] >= site.number(_ID, _LEARN)
    if not learnt or _is_prevalent(state, destination, person.name, site):
        return ()
    found = cusum(drip.sums, day, int(site.number(_ID, _ALLOWANCE)))
    if found.score < site.number(_ID, _BYTES) and not _is_steady(state, drip, destination, found.score, site):
        return ()
    total = drip.sums.total(since, day)
    count = sum(since <= one <= day for one in drip.sums.days)
    if count < site.number(_ID, _DAYS):
        return ()
    return (
        Finding(
            entity=f"{person.name}|{destination}",
            summary=f"{describe(person)} sent {size(total)} to {destination} over {count} days, "
            f"a little each day; the destination is new for them",
            time=record.event.time,
            agent=record.agent,
            host=record.host,
            evidence=(*[drip.evidence[one][1] for one in sorted(drip.evidence)], record.uid),
            person=person,
            destination=destination,
            bytes_out=total,
        ),
    )


def _is_steady(state: State, drip: Drip, destination: str, score: int, site: Site) -> bool:
    """Return whether one person alone sends there on each working day of some week."""
    users = set(state.hosts.get(destination, {}).values())
    if len(users) > 1 or "*" in users or score < site.number(_ID, _STEADY_BYTES):
        return False
    days = sorted(drip.sums.days)
    apart = int(site.number(_ID, _STEADY)) - 1
    return any(last - first < _WEEK for first, last in zip(days, days[apart:], strict=False))


def _is_prevalent(state: State, destination: str, person: str, site: Site) -> bool:
    """Return whether much of the fleet uses the destination for others than this person."""
    others = sum(who != person for who in state.hosts.get(destination, {}).values())
    return others > 1 and 100 * others >= site.number(_ID, _SHARE) * min(len(state.fleet), _HOSTS_LIMIT)


_ID = "low-and-slow"
_BEFORE = Step(3600, sent(9000, flow=900, to=Endpoint(ip="198.51.100.1", port=443)))
_NAMED = Endpoint(ip="203.0.113.9", port=443, name="drop.example")
_ELSEWHERE = Endpoint(ip="203.0.113.77", port=443, name="drop.example")
_CLAIMED = Endpoint(ip="203.0.113.9", port=443, name="telemetry.example", named_by="tls")
_ROBOTS = alice("/usr/bin/telemetry", auid=None, session=None, uid=0)


def _daily(count: int, days: int, to: Endpoint = AWAY, begin: int = 8) -> tuple[Step, ...]:
    """Return alice's name, a first day, and from the eighth on count bytes each day."""
    drips = tuple(Step((begin + day) * DAY, sent(count, flow=day + 1, to=to)) for day in range(days))
    return (Step(0, run("id")), _BEFORE, *drips)


def _on_fleet(to: Endpoint) -> tuple[Step, ...]:
    return tuple(
        Step(9 * DAY, sent(8_000_000, flow=500, to=to, actor=_ROBOTS), f"web{n}") for n in range(2, 11)
    )


def _weekly(count: int, weeks: int) -> tuple[Step, ...]:
    drips = tuple(Step((8 + 7 * week) * DAY, sent(count, flow=week + 1)) for week in range(weeks))
    return (Step(0, run("id")), _BEFORE, *drips)


def _every(apart: int, until: int) -> tuple[Step, ...]:
    """Return alice's name, and from the first day on a drip each so many days."""
    days = range(0, until, apart)
    return (Step(0, run("id")), *(Step(day * DAY, sent(40_000_000, flow=day + 1)) for day in days))


CORRELATION = Correlation(
    id=_ID,
    version=3,
    title="Data leaves little by little to a new destination",
    severity="medium",
    attack=("T1030", "T1029", "T1048"),
    kinds=(Close, Report),
    state=State,
    step=_step,
    parameters=(_ALLOWANCE, _BYTES, _DAYS, _STEADY, _STEADY_BYTES, _LEARN, _SHARE),
    connections=connections_out,
    hits=(
        Story("eight megabytes a day", _daily(8_000_000, 10)),
        Story("two megabytes a day for a month", _daily(2_000_000, 30)),
        Story("two megabytes a day for a month, by somebody known for long", _daily(2_000_000, 30, begin=90)),
        Story(
            "addresses change, the name stays",
            tuple(
                Step(step.at, sent(9_000_000, flow=n, to=(_NAMED, _ELSEWHERE)[n % 2])) if n > 1 else step
                for n, step in enumerate(_daily(9_000_000, 10))
            ),
        ),
        Story(
            "the client claims to speak with what all use",
            (*_daily(8_000_000, 10, _CLAIMED), *_on_fleet(_NAMED)),
        ),
        Story("a week of it, where nobody else sends", _daily(1_500_000, 5)),
        Story("days arrive shuffled", (*_daily(8_000_000, 8)[:2], *reversed(_daily(8_000_000, 8)[2:]))),
    ),
    misses=(
        Story("telemetry, seen on nine of ten hosts", (*_on_fleet(AWAY), *_daily(8_000_000, 20))),
        Story("below what is left each day", _daily(400_000, 40)),
        Story("a few days of it", _daily(4_000_000, 4)),
        Story(
            "a week of it, where another host sends too",
            (Step(9 * DAY, sent(9000, flow=700, actor=_ROBOTS), "web2"), *_daily(4_000_000, 7)),
        ),
        Story("a week of pages", _daily(550_000, 10)),
        Story("once a week", _weekly(4_000_000, 5)),
        Story("one large upload is another rule's", _daily(90_000_000, 2)),
        Story("a known backup host", _daily(8_000_000, 20, Endpoint(ip="192.0.2.10", port=443))),
        Story("used since the first day that is known", _daily(8_000_000, 20, begin=0)),
        Story("used each day for longer than days are remembered", _daily(8_000_000, 2 * DEPTH, begin=0)),
        Story("used again within weeks, for as long", _every(6, 2 * DEPTH)),
        Story("a robot's account", _daily(8_000_000, 20), organisation=SERVICE),
        Story(
            "a known service",
            _daily(8_000_000, 20),
            organisation=Organisation(networks=(NetworkLabel("203.0.113.0/24", use="service"),)),
        ),
    ),
)
