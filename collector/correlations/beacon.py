"""A process calls out at regular times with regular sizes, to a place that is new and that few hosts know."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close

from ..alert import Severity
from ..bounded import remember
from ..measures.baselines import day_of
from ..measures.session_work import describe, is_known, sender, size
from ..measures.volume import began, place
from ..measures.windows import Item, Series, uids
from ..record import Person, Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_SCORE = Parameter("score", 850, "thousandths", "as of RITA; who works by hand scores below 600")
_LEAST = Parameter("least", 24, "connections", "fewer are regular by chance")
_HOSTS = Parameter("hosts", 3, "hosts", "what so many hosts call is the fleet's own business")
_NEW = Parameter("new", 14, "days", "what the fleet has called for longer is no news")
_EXEMPT = Parameter(
    "exempt",
    "chronyd ntpd systemd-timesyncd apt-helper dnf packagekitd unattended-upgr",
    "program names",
    "these call at regular times as their duty",
)
_KEEP = 86_400_000_000_000
_LONG = _KEEP // 2
"""Half a day of calls is as regular as it gets."""
_EVERY = 60_000_000_000
_PLACES_LIMIT = 50_000
_BEACONS_LIMIT = 2000
_ITEMS_LIMIT = 100
_BUCKETS = 12
_MILLI = 1000


class Place(msgspec.Struct, gc=False):
    """Since which day the fleet calls it, and the first few hosts that do."""

    since: int
    agents: tuple[str, ...] = ()


class Calls(msgspec.Struct, gc=False):
    """What one program of one host sent to one place: when each began, and its bytes out."""

    agent: str
    host: str
    place: str
    program: str
    person: Person | None = None
    series: Series = msgspec.field(default_factory=Series)


class State(msgspec.Struct):
    """Places by name or address, calls by ``agent|program|place``; which have news, and when to look."""

    places: dict[str, Place] = {}
    calls: dict[str, Calls] = {}
    news: dict[str, None] = {}
    due: int = 0


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if not isinstance(body, Close) or body.direction != "out" or body.actor is None:
        return ()
    where = place(body.remote)
    known = state.places.get(where)
    if known is None:
        if is_known(body.remote, site):
            return ()
        known = Place(day_of(record.event.time))
        remember(state.places, where, known, _PLACES_LIMIT)
    if len(known.agents) >= site.number(_ID, _HOSTS):
        return ()  # nearly every connection
    known.since = min(known.since, day_of(record.event.time))
    if record.agent not in known.agents:
        known.agents = (*known.agents, record.agent)
    _note(state, record, body, where, site)
    return ()


def _note(state: State, record: Record, body: Close, where: str, site: Site) -> None:
    name = sender(body)
    if name in site.words(_ID, _EXEMPT):
        return
    entity = f"{record.agent}|{name}|{where}"
    calls = state.calls.get(entity)
    if calls is None:
        calls = Calls(record.agent, record.host, where, name)
        remember(state.calls, entity, calls, _BEACONS_LIMIT)
    if record.person is not None and not record.person.is_scheduled:
        calls.person = record.person
    calls.series.add(Item(began(record, body), body.bytes_out or 0, record.uid), _KEEP, _ITEMS_LIMIT)
    if len(calls.series.items) >= site.number(_ID, _LEAST):
        state.news[entity] = None


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    """Score what has news, once a minute: a score needs the whole series."""
    if now < state.due or not state.news:
        return []
    state.due = now + _EVERY
    news, state.news = state.news, {}
    found = (_judged(state, entity, site) for entity in news)
    return [one for one in found if one is not None]


def _judged(state: State, entity: str, site: Site) -> Finding | None:
    calls = state.calls.get(entity)
    known = state.places.get(calls.place) if calls is not None else None
    if calls is None or known is None or len(known.agents) >= site.number(_ID, _HOSTS):
        return None
    items, least = calls.series.items, int(site.number(_ID, _SCORE))
    if day_of(items[-1].time) - known.since > site.number(_ID, _NEW):
        return None
    if score(items) < least:
        return None
    # What is told is the first part that was regular enough: the same whenever it is looked at.
    parts = (items[:end] for end in range(int(site.number(_ID, _LEAST)), len(items) + 1))
    items = next(part for part in parts if score(part) >= least)
    points = score(items)
    severity: Severity | None = "medium" if calls.person is not None else None
    person = describe(calls.person) if calls.person is not None else "a service"
    sent = sum(item.value for item in items)
    return Finding(
        entity=entity,
        summary=f"{person}: {calls.program or 'a program'} on {calls.host} called {calls.place} "
        f"{len(items)} times with the regularity of a clock ({points} of 1000), {size(sent)} out",
        time=items[-1].time,
        agent=calls.agent,
        host=calls.host,
        evidence=uids(items),
        person=calls.person,
        severity=severity,
        destination=calls.place,
        bytes_out=sent,
        details={"score": str(points)},
    )


def score(items: Sequence[Item]) -> int:
    """Return how much calls are like a beacon, in thousandths: a quarter each as of RITA v5.

    Regularity of the times between calls, of their sizes, how even they are over their time, and how long
    that is. The first two are the mean of 1 - |Bowley skew| and (median - MAD) / median.
    """
    times = [item.time for item in items]
    gaps = [(later - former) // 1_000_000 for former, later in itertools.pairwise(times)]
    lasted = min(_MILLI, _MILLI * (times[-1] - times[0]) // _LONG)
    return (_regular(gaps) + _regular([item.value for item in items]) + _even(times) + lasted) // 4


def _regular(values: Sequence[int]) -> int:
    ordered = sorted(values)
    low, middle, high = (ordered[len(ordered) * part // 4] for part in (1, 2, 3))
    if middle <= 0:
        return 0
    skew = (
        0 if low == high or middle in (low, high) else _MILLI * abs(low + high - 2 * middle) // (high - low)
    )
    spread = sorted(abs(value - middle) for value in ordered)[len(ordered) // 2]
    return (_MILLI - skew + max(0, _MILLI * (middle - spread) // middle)) // 2


def _even(times: Sequence[int]) -> int:
    """Return 1 - coefficient of variation of the number of calls in each twelfth of their time."""
    first, span = times[0], times[-1] - times[0] + 1
    counts = [0] * _BUCKETS
    for time in times:
        counts[(time - first) * _BUCKETS // span] += 1
    squares = sum((_BUCKETS * count - len(times)) ** 2 for count in counts)
    return max(0, _MILLI - math.isqrt(_MILLI * _MILLI * squares // _BUCKETS) // len(times))


def _connections(_site: Site) -> Connections:
    return Connections("out")


_ID = "beacon"
_PERSON = Actor(pid=50, exe="/home/alice/.cache/update", uid=1000, auid=1000, session=7)
_SERVICE = Actor(pid=9, exe="/usr/bin/node", uid=998)
_OUT = Endpoint(ip="203.0.113.9", port=443)


def _calls(
    count: int,
    every: float,
    *,
    jitter: float = 0,
    actor: Actor = _PERSON,
    to: Endpoint = _OUT,
    agents: Sequence[str] = ("web1",),
    sizes: Sequence[int] = (420,),
) -> tuple[Step, ...]:
    """Return calls at regular times, each moved by up to jitter: by an irrational part, always the same."""
    return tuple(
        Step(
            number * every + jitter * (number * 0.618034 % 1),
            Close(
                flow=number + 1,
                protocol="tcp",
                direction="out",
                local=Endpoint(ip="10.0.0.5", port=50_000),
                remote=to,
                bytes_out=sizes[number % len(sizes)],
                bytes_in=900,
                actor=actor,
            ),
            agent,
        )
        for number in range(count)
        for agent in agents
    )


_BY_HAND = tuple(
    step
    for burst in range(8)
    for step in (
        msgspec.structs.replace(one, at=one.at + burst * burst * 700)
        for one in _calls(6, 7 + burst, jitter=30, sizes=(300, 9000, 70, 2500, 812, 40_000))
    )
)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Regular calls to a new and rare place",
    severity="low",
    attack=("T1071", "T1029"),
    kinds=(Close,),
    state=State,
    step=_step,
    passed=_passed,
    parameters=(_SCORE, _LEAST, _HOSTS, _NEW, _EXEMPT),
    connections=_connections,
    hits=(
        Story("each ten minutes, for half a day", _calls(72, 600), until=50_000),
        Story("with a fifth of jitter", _calls(90, 480, jitter=96), until=50_000),
        Story("a service that nobody else runs", _calls(72, 600, actor=_SERVICE), until=50_000),
    ),
    misses=(
        Story(
            "a metrics pusher, on each host of the fleet",
            _calls(72, 600, actor=_SERVICE, agents=("web1", "web2", "web3", "web4")),
            until=50_000,
        ),
        Story("a person at work, by hand", _BY_HAND, until=50_000),
        Story("to a known service", _calls(72, 600, to=Endpoint(ip="192.0.2.10")), until=50_000),
        Story("ten polls of a build", _calls(10, 30), until=5000),
        Story(
            "time",
            _calls(72, 600, actor=Actor(pid=3, exe="/usr/sbin/chronyd", uid=100)),
            until=50_000,
        ),
        Story(
            "a loop that waits for a port",
            _calls(60, 1),
            until=5000,
        ),
    ),
)
