"""An agent ended, died, lost a sensor or got other settings while a person was at work on its host.

All but a kill is judged after some minutes: what explains it, as a reboot, an upgrade or a restart, has been
told by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from evidence.kinds.agent import ConfigChange, Sensor, Start, Stop
from evidence.kinds.process import Exec

from ..alert import Severity
from ..bounded import remember
from ..by_person import command
from ..examples import WINDOW, run
from ..measures.session_work import describe, program
from ..organisation.known import HostLabel, Organisation
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_PRESENT = Parameter("present", 120, "seconds", "who ends an agent was at work shortly before")
_PATIENCE = Parameter("patience", 300, "seconds", "within this an agent is back from a restart of anything")
_AWAY = Parameter("away", 1800, "seconds", "after a command to reboot a host is back within this")
_AGENTS_LIMIT = 50_000
_PENDING, _MINUTES, _SENSORS = 8, 32, 64
_NS = 1_000_000_000
_MINUTE = 60 * _NS
_BACK = 30 * _NS
"""An agent that is back so soon was restarted."""
_BEFORE, _AFTER = 600 * _NS, 60 * _NS
"""A shutdown takes at most so long until it reaches the agent; what it executes itself may come after."""
_REBOOTS = frozenset({"reboot", "poweroff", "halt", "kexec", "soft-reboot"})
_SHUTDOWNS = frozenset(
    f"{folder}{name}"
    for folder in ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/systemd/", "/lib/systemd/")
    for name in ("reboot", "shutdown", "poweroff", "halt", "telinit", "init", "systemd-shutdown", "systemctl")
)
Kind = Literal["stop", "died", "sensor", "settings"]
_SAID: dict[Kind, tuple[str, Severity]] = {
    "stop": ("was stopped", "medium"),
    "died": ("died", "low"),
    "sensor": ("sees less by a sensor", "medium"),
    "settings": ("got other settings", "low"),
}
_KILLERS = frozenset(
    f"{folder}{name}" for folder in ("/usr/bin/", "/bin/") for name in ("kill", "pkill", "killall", "skill")
)


class Work(msgspec.Struct, frozen=True):
    """What a person did on a host: time (UTC ns) and uid of the exec, and its command if it may kill."""

    time: int
    uid: str
    person: Person
    kill: str = ""


class Happened(msgspec.Struct, frozen=True):
    """What befell an agent; about is the reason of a stop, the sensor that sees less, or changed settings."""

    time: int
    uid: str
    boot: str
    received: int
    host: str
    kind: Kind
    about: str = ""


class Agent(msgspec.Struct, gc=False):
    """One agent: the first work of each minute, a kill before all, the last shutdown (UTC ns), its fate.

    boots has when each was first heard of, seeing when each sensor last saw well in each, both UTC ns.
    """

    works: dict[int, Work] = {}
    shutdown: int = 0
    pending: list[Happened] = []
    boots: dict[str, int] = {}
    seeing: dict[str, int] = {}


class State(msgspec.Struct):
    """By agent id."""

    agents: dict[str, Agent] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Exec):
        if record.person is not None or body.exe in _SHUTDOWNS:
            _executed(_agent(state, record), record, body)
        return ()
    agent = _agent(state, record)
    remember(agent.boots, record.boot, min(record.at, agent.boots.get(record.boot, record.at)), _PENDING)
    if isinstance(body, Stop):
        _befell(agent, record, "stop", body.reason)
    elif isinstance(body, Start):
        return _started(agent, record, body, site)
    elif isinstance(body, ConfigChange):
        _befell(agent, record, "settings", " ".join(body.changed))
    elif isinstance(body, Sensor) and body.degraded:
        _befell(agent, record, "sensor", body.sensor)
    elif isinstance(body, Sensor):
        sensor = f"{record.boot}|{body.sensor[:64]}"
        remember(agent.seeing, sensor, min(record.at, agent.seeing.get(sensor, record.at)), _SENSORS)
    return ()


def _befell(agent: Agent, record: Record, kind: Kind, about: str = "") -> Happened:
    one = Happened(record.at, record.uid, record.boot, record.received, record.host, kind, about[:200])
    agent.pending = [*agent.pending, one][-_PENDING:]
    return one


def _agent(state: State, record: Record) -> Agent:
    agent = state.agents.get(record.agent)
    if agent is None:
        agent = Agent()
        remember(state.agents, record.agent, agent, _AGENTS_LIMIT)
    return agent


def _executed(agent: Agent, record: Record, body: Exec) -> None:
    at, person = record.at, record.person
    if body.exe in _SHUTDOWNS and (program(body) != "systemctl" or not _REBOOTS.isdisjoint(body.argv)):
        agent.shutdown = max(agent.shutdown, at)
    if person is None or person.is_scheduled:
        return
    is_kill = body.exe in _KILLERS
    known = agent.works.get(at // _MINUTE)
    if known is not None and (at > known.time or known.kill) and not is_kill:
        return  # nearly always
    if known is None or (not is_kill, at, record.uid) < (not known.kill, known.time, known.uid):
        kill = command(body) if is_kill else ""
        remember(agent.works, at // _MINUTE, Work(at, record.uid, person, kill), _MINUTES)


def _started(agent: Agent, record: Record, body: Start, site: Site) -> Iterable[Finding]:
    """Excuse what a reboot or a restart explains; a death by a person's kill is told at once."""
    agent.pending = [
        one
        for one in agent.pending
        if one.kind != "stop" or (one.boot == record.boot and not 0 <= record.at - one.time <= _BACK)
    ]
    if body.clean or body.last_seq is None:
        return ()
    found = _judge(record.agent, agent, _befell(agent, record, "died"), site)
    return (found,) if found is not None and found.severity == "high" else ()


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    patience = int(site.number(_ID, _PATIENCE) * _NS)
    for name, agent in state.agents.items():
        if not agent.pending or now - agent.pending[0].received <= patience:
            continue
        due = [one for one in agent.pending if now - one.received > _wait(agent, one, site)]
        agent.pending = [one for one in agent.pending if one not in due]
        yield from (found for one in due if (found := _judge(name, agent, one, site)) is not None)


def _wait(agent: Agent, one: Happened, site: Site) -> int:
    """Return for how long (ns) an explanation may come: a command to shut down is none before a new boot."""
    is_going_down = one.kind == "stop" and -_AFTER <= one.time - agent.shutdown <= _BEFORE
    return int(site.number(_ID, _AWAY if is_going_down else _PATIENCE) * _NS)


def _judge(name: str, agent: Agent, one: Happened, site: Site) -> Finding | None:
    """Return what befell an agent if a person was at work there and nothing explains it."""
    work = _near(agent, one.time, site)
    if work is None:
        return None
    if one.kind == "died" and agent.boots.get(one.boot, one.time) >= one.time:
        return None  # the host itself went down
    if one.kind == "sensor" and agent.seeing.get(f"{one.boot}|{one.about[:64]}", one.time) >= one.time:
        return None  # it never saw better
    if one.kind == "stop" and "ephemeral" in site.known.labels(one.host):
        return None
    what = _SAID[one.kind][0]
    killed = one.kind == "died" and bool(work.kill)
    about = f" after: {work.kill}" if killed else f" ({one.about})" if one.about else ""
    return Finding(
        entity=f"{name}|{one.uid}",
        summary=f"the agent of {one.host} {what}{about}, while {describe(work.person)} was at work there",
        time=one.time,
        agent=name,
        host=one.host,
        evidence=(work.uid, one.uid),
        person=work.person,
        severity=_severity_of(one, work, site),
    )


def _severity_of(one: Happened, work: Work, site: Site) -> Severity:
    """Return how grave it is; announced work excuses it, and it adds risk only."""
    if site.known.is_change(one.host, work.person.name, one.time):
        return "low"
    return "high" if one.kind == "died" and work.kill else _SAID[one.kind][1]


def _near(agent: Agent, time: int, site: Site) -> Work | None:
    """Return what a person did last before time, a kill before all, if it is not long ago."""
    present = int(site.number(_ID, _PRESENT) * _NS)
    near = [work for work in agent.works.values() if 0 <= time - work.time <= present]
    return max(near, key=lambda work: (bool(work.kill), work.time, work.uid), default=None)


_ID = "agent-stopped"
_STOP = Stop(reason="SIGTERM")
_GOOD = Sensor(sensor="process", rung="bpf", degraded=False)
_BAD = Sensor(sensor="process", rung="poll", degraded=True)
_DIED = Start(version="1", host="web1", clean=False, last_seq=9)
_BACK_AGAIN = Start(version="1", host="web1", clean=True, last_seq=9)
_CHANGED = ConfigChange(before="a", after="b", changed=("file.trees",))


def _story(why: str, *steps: Step, organisation: Organisation | None = None) -> Story:
    return Story(why, (Step(0, _GOOD), *steps), until=900, organisation=organisation)


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Agent ended or weakened while a person was at work",
    severity="medium",
    attack=("T1562.001",),
    kinds=(Exec, Stop, Start, Sensor, ConfigChange),
    state=State,
    step=_step,
    passed=_passed,
    parameters=(_PRESENT, _PATIENCE, _AWAY),
    hits=(
        _story("a shell's own kill ends it", Step(60, run("ps", "ax")), Step(70, _STOP)),
        _story("it is killed and started again", Step(60, run("kill", "-9", "812")), Step(62, _DIED)),
        _story("it dies, and no kill was seen", Step(60, run("python3")), Step(62, _DIED)),
        _story("a sensor is blinded", Step(60, run("bpftool", "prog")), Step(65, _BAD)),
        Story(
            "a reboot was announced, and the host does not come back",
            (Step(0, _GOOD), Step(60, run("shutdown", "+9")), Step(65, _STOP)),
            until=4000,
        ),
        _story("an upgrade of something else hides nothing", Step(60, run("apt", "list")), Step(65, _STOP)),
        _story(
            "within a change window: low",
            Step(60, run("ps", "ax")),
            Step(70, _STOP),
            organisation=WINDOW,
        ),
        _story("other settings", Step(60, run("vi", "/etc/vedette/agent.toml")), Step(90, _CHANGED)),
    ),
    misses=(
        _story(
            "a planned reboot", Step(60, run("systemctl", "reboot")), Step(61, run("ls")), Step(65, _STOP)
        ),
        _story("an upgrade, or a restart", Step(60, run("apt")), Step(65, _STOP), Step(67, _BACK_AGAIN)),
        _story("nobody was there", Step(65, _STOP)),
        _story("whoever was there left long before", Step(1, run("ls")), Step(500, _STOP)),
        _story("a crash with nobody there", Step(60, _DIED)),
        _story("a sensor fails by itself", Step(61, _BAD)),
        _story(
            "scale-in",
            Step(60, run("ls")),
            Step(65, _STOP),
            organisation=Organisation(hosts=(HostLabel("web*", ("ephemeral",)),)),
        ),
    ),
)
