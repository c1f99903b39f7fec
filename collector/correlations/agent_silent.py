"""An agent stopped talking without a farewell; names the last person seen active on its host."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.agent import Heartbeat, Start, Stop
from evidence.kinds.process import Exec

from ..record import Arrival, Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_MISSED = Parameter("missed", 3, "heartbeats", "one late heartbeat is a busy network, three are none")
_LEAST = Parameter("least", 90, "seconds", "shorter silences are restarts")
_AGENTS_LIMIT = 100_000
_NS = 1_000_000_000


class Seen(msgspec.Struct):
    """What was last heard of an agent; times are UTC ns of the collector's clock."""

    host: str
    received: int
    uid: str
    interval: float = 60.0
    farewell: int | None = None
    """seq of the farewell; what has a smaller one may still arrive in the other lane."""
    told: bool = False
    person: Person | None = None
    person_uid: str | None = None


class State(msgspec.Struct):
    """By agent id."""

    agents: dict[str, Seen] = {}


def _arrived(state: State, arrival: Arrival, _site: Site) -> Iterable[Finding]:
    seen = state.agents.get(arrival.agent)
    if seen is not None:
        seen.received, seen.told = arrival.received, False
    return ()


def _step(state: State, record: Record, _site: Site) -> Iterable[Finding]:
    body, person = record.event.body, record.person
    if isinstance(body, Exec):
        seen = state.agents.get(record.agent)
        if seen is not None and person is not None:
            seen.person, seen.person_uid = person, record.uid
        return ()
    seen = state.agents.get(record.agent)
    if seen is None:
        if len(state.agents) >= _AGENTS_LIMIT:
            return ()
        seen = state.agents[record.agent] = Seen(record.host, record.received, record.uid)
    seen.host, seen.received, seen.uid, seen.told = record.host, record.received, record.uid, False
    if isinstance(body, Stop):
        seen.farewell = record.event.seq
    elif seen.farewell is not None and record.event.seq > seen.farewell:
        seen.farewell = None
    if isinstance(body, Heartbeat):
        seen.interval = body.interval
    return ()


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    missed, least = site.number(_ID, _MISSED), site.number(_ID, _LEAST)
    for agent, seen in state.agents.items():
        allowed = int(max(missed * seen.interval, least) * _NS)
        if seen.farewell is not None or seen.told or now - seen.received <= allowed:
            continue
        seen.told = True
        last = f"; last person active: {seen.person.name}" if seen.person else ""
        yield Finding(
            entity=agent,
            summary=f"{seen.host} has been silent for {allowed // _NS} s, without a farewell{last}",
            time=seen.received + allowed,
            agent=agent,
            host=seen.host,
            evidence=(seen.uid,) if seen.person_uid in (None, seen.uid) else (str(seen.person_uid), seen.uid),
            person=seen.person,
        )


_ID = "agent-silent"
_BEAT = Heartbeat(events=1, interval=60.0, sensors={})

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Agent silent",
    severity="high",
    attack=("T1562.001",),
    kinds=(Start, Stop, Heartbeat, Exec),
    state=State,
    step=_step,
    arrived=_arrived,
    passed=_passed,
    parameters=(_MISSED, _LEAST),
    hits=(
        Story(
            "alice runs a command, then nothing is heard",
            (Step(0, _BEAT), Step(5, Exec(pid=9, auid=1000, login="alice"))),
            until=400,
        ),
    ),
    misses=(
        Story("the agent said farewell", (Step(0, _BEAT), Step(5, Stop(reason="reboot"))), until=4000),
        Story("a heartbeat is a little late", (Step(0, _BEAT), Step(130, _BEAT)), until=200),
        Story("it just started", (Step(0, Start(version="1", host="web1", clean=True)),), until=60),
    ),
)
