"""An agent ended, died, lost a sensor or got other settings while a person was at work on its host.

A stop is judged after some minutes: a reboot, an upgrade or a restart that explains it has been told by then.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.agent import ConfigChange, Sensor, Start, Stop
from evidence.kinds.process import Exec

from ..alert import Severity
from ..bounded import remember
from ..by_person import INSTALLERS, command
from ..examples import run
from ..organisation import HostLabel, Organisation
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story
from ..session_work import describe, program

_PRESENT = Parameter("present", 120, "seconds", "who ends an agent was at work shortly before")
_PATIENCE = Parameter("patience", 300, "seconds", "within this a host is back from a reboot")
_AGENTS_LIMIT = 50_000
_PENDING = 8
_NS = 1_000_000_000
_BACK = 120 * _NS
"""An agent that is back so soon was restarted."""
_BEFORE = 600 * _NS
"""An upgrade or a shutdown takes at most so long until it reaches the agent."""
_REBOOTS = frozenset({"reboot", "shutdown", "poweroff", "halt", "telinit", "init"})
_VERBS = frozenset({"reboot", "poweroff", "halt", "kexec", "soft-reboot", "restart", "isolate", "rescue"})
_EXCUSES = frozenset(
    f"{folder}{name}"
    for folder in ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/systemd/", "/lib/systemd/")
    for name in (*INSTALLERS, *_REBOOTS, "systemd-shutdown", "systemctl")
)
_KILLERS = frozenset({"kill", "pkill", "killall", "gdb", "skill"})


class Work(msgspec.Struct, frozen=True):
    """What a person did last on a host: time (UTC ns) and uid of the exec, and its command if it may kill."""

    time: int
    uid: str
    person: Person
    kill: str = ""


class Ended(msgspec.Struct, frozen=True):
    """A stop that is not explained yet."""

    time: int
    uid: str
    boot: str
    received: int
    host: str
    reason: str


class Agent(msgspec.Struct):
    """One agent: last works, the last excuse (UTC ns), its stops, and the sensors that see well."""

    last: Work | None = None
    kill: Work | None = None
    excused: int = 0
    ended: list[Ended] = []
    seeing: dict[str, str] = {}
    """Sensor to the boot in which it was not degraded."""


class State(msgspec.Struct):
    """By agent id."""

    agents: dict[str, Agent] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Exec):
        if record.person is not None or body.exe in _EXCUSES:
            _executed(_agent(state, record), record, body)
        return ()
    agent = _agent(state, record)
    if isinstance(body, Stop):
        one = Ended(record.at, record.uid, record.boot, record.received, record.host, body.reason)
        agent.ended = [*agent.ended, one][-_PENDING:]
    elif isinstance(body, Start):
        return _started(agent, record, body, site)
    elif isinstance(body, Sensor):
        return _sensed(agent, record, body, site)
    elif isinstance(body, ConfigChange):
        return _told(agent, record, site, f"got other settings: {' '.join(body.changed)[:200]}", "low")
    return ()


def _agent(state: State, record: Record) -> Agent:
    agent = state.agents.get(record.agent)
    if agent is None:
        agent = Agent()
        remember(state.agents, record.agent, agent, _AGENTS_LIMIT)
    return agent


def _executed(agent: Agent, record: Record, body: Exec) -> None:
    at, person = record.at, record.person
    if body.exe in _EXCUSES and (program(body) != "systemctl" or not _VERBS.isdisjoint(body.argv)):
        agent.excused = max(agent.excused, at)
        return
    if person is None or person.is_scheduled or (agent.last is not None and at < agent.last.time):
        return
    agent.last = Work(at, record.uid, person)
    if program(body) in _KILLERS:
        agent.kill = Work(at, record.uid, person, command(body))


def _started(agent: Agent, record: Record, body: Start, site: Site) -> Iterable[Finding]:
    """Excuse what a reboot or a restart explains; a death within a boot is told at once."""
    agent.ended = [
        one for one in agent.ended if one.boot == record.boot and not 0 <= record.at - one.time <= _BACK
    ]
    if body.clean or body.last_seq is None or record.boot not in agent.seeing.values():
        return ()
    kill = agent.kill
    if kill is not None and _is_near(kill, record.at, site):
        return (_finding(record.agent, record, kill, f"died after: {kill.kill}", "high"),)
    return _told(agent, record, site, "died", "low")


def _sensed(agent: Agent, record: Record, body: Sensor, site: Site) -> Iterable[Finding]:
    if not body.degraded:
        agent.seeing[body.sensor[:64]] = record.boot
        return ()
    if agent.seeing.pop(body.sensor[:64], None) != record.boot:
        return ()
    return _told(agent, record, site, f"sees less by its sensor {body.sensor}", "medium")


def _told(agent: Agent, record: Record, site: Site, what: str, severity: Severity) -> Iterable[Finding]:
    """Tell it if a person was at work: an agent that fails by itself is its own health's matter."""
    if agent.last is None or not _is_near(agent.last, record.at, site) or _is_excused(agent, record.at):
        return ()
    if site.known.is_change(record.host, agent.last.person.name, record.at):
        return ()
    return (_finding(record.agent, record, agent.last, what, severity),)


def _passed(state: State, now: int, site: Site) -> Iterable[Finding]:
    patience = int(site.number(_ID, _PATIENCE) * _NS)
    for name, agent in state.agents.items():
        due = [one for one in agent.ended if now - one.received > patience]
        if not due:
            continue
        agent.ended = [one for one in agent.ended if one not in due]
        for one in due:
            if agent.last is None or _is_excused(agent, one.time) or not _is_near(agent.last, one.time, site):
                continue
            labels, who = site.known.labels(one.host), agent.last.person.name
            if "ephemeral" not in labels and not site.known.is_change(one.host, who, one.time):
                yield _finding(name, one, agent.last, f"was stopped ({one.reason})", "medium")


def _is_near(work: Work, time: int, site: Site) -> bool:
    return 0 <= time - work.time <= int(site.number(_ID, _PRESENT) * _NS)


def _is_excused(agent: Agent, time: int) -> bool:
    return -_BEFORE // 10 <= time - agent.excused <= _BEFORE


def _finding(agent: str, about: Record | Ended, work: Work, what: str, severity: Severity) -> Finding:
    return Finding(
        entity=f"{agent}|{about.uid}",
        summary=f"the agent of {about.host} {what}, while {describe(work.person)} was at work there",
        time=about.event.time if isinstance(about, Record) else about.time,
        agent=agent,
        host=about.host,
        evidence=(work.uid, about.uid),
        person=work.person,
        severity=severity,
    )


_ID = "agent-stopped"
_STOP = Stop(reason="SIGTERM")
_GOOD = Sensor(sensor="process", rung="bpf", degraded=False)
_BAD = Sensor(sensor="process", rung="poll", degraded=True)
_DIED = Start(version="1", host="web1", clean=False, last_seq=9)
_BACK_AGAIN = Start(version="1", host="web1", clean=True, last_seq=9)
_NIGHTLY = Exec(pid=9, exe="/usr/bin/apt-get", argv=("apt-get", "upgrade"), uid=0)
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
    parameters=(_PRESENT, _PATIENCE),
    hits=(
        _story("a shell's own kill ends it", Step(60, run("ps", "ax")), Step(70, _STOP)),
        _story("it is killed and started again", Step(60, run("kill", "-9", "812")), Step(62, _DIED)),
        _story("it dies, and no kill was seen", Step(60, run("python3")), Step(62, _DIED)),
        _story("a sensor is blinded", Step(60, run("bpftool", "prog")), Step(65, _BAD)),
        _story("other settings", Step(60, run("vi", "/etc/vedette/agent.toml")), Step(90, _CHANGED)),
    ),
    misses=(
        _story(
            "a planned reboot", Step(60, run("systemctl", "reboot")), Step(61, run("ls")), Step(65, _STOP)
        ),
        _story("an upgrade", Step(50, run("ls")), Step(60, _NIGHTLY), Step(65, _STOP)),
        _story("a restart", Step(60, run("ls")), Step(65, _STOP), Step(67, _BACK_AGAIN)),
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
