"""A log lost lines other than by rotation; names the acts among them that are recorded here all the same.

Whoever empties or edits a log by whatever means, without a command that shows it, is found by what is gone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.file import FileState, Shrunk
from evidence.kinds.login import Accepted, SessionOpen, Su, Sudo

from ..alert import Severity
from ..bounded import remember
from ..by_person import by_person, is_change, is_system_program
from ..examples import SERVICE, WINDOW, alice, at_once, run
from ..measures.session_work import describe
from ..record import Person, Record
from ..rule import BEGIN, Correlation, Finding, Parameter, Site, Step, Story

_SLACK = Parameter("slack", 2, "seconds", "a line and the event made from it bear nearly the same time")
_NS = 1_000_000_000
_AGENTS_LIMIT = 20_000
_ACTS, _SHRINKS = 64, 4
_NAMED, _EVIDENCE = 3, 19
_KEEPERS = frozenset({"logrotate", "savelog", "rsyslogd", "syslog-ng", "systemd-journald"})
_SAID = {
    "truncated": "cut",
    "rewritten": "rewrote",
    "replaced": "replaced",
    "removed": "removed",
}


class Told(msgspec.Struct, frozen=True):
    """An act that the host's logs had a line of: time UTC ns, and what it was."""

    time: int
    uid: str
    what: str
    is_login: bool


class Lost(msgspec.Struct, frozen=True):
    """A log that lost lines, and all that is to be said of it."""

    time: int
    uid: str
    host: str
    boot: str
    body: Shrunk
    person: Person | None
    severity: Severity


class Agent(msgspec.Struct, gc=False):
    """One host: its newest acts and losses, both by time."""

    acts: list[Told] = []
    losses: list[Lost] = []


class State(msgspec.Struct):
    """By agent id."""

    agents: dict[str, Agent] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Shrunk):
        return _lost(state, record, body, site)
    told = _told(record)
    if told is None:
        return ()
    agent = _agent(state, record.agent)
    agent.acts = sorted([*agent.acts, told], key=lambda one: (one.time, one.uid))[-_ACTS:]
    slack = int(site.number(_ID, _SLACK) * _NS)
    return [
        _finding(record.agent, agent, lost, slack)
        for lost in agent.losses
        if _is_among(told, lost.body, slack)
    ]


def _told(record: Record) -> Told | None:
    """Return the act that a line tells; None for what opens no door."""
    body, time, uid = record.event.body, record.event.time, record.uid
    if isinstance(body, Accepted):
        where = f" from {body.source.ip}" if body.source is not None else ""
        return Told(time, uid, f"login of {body.user}{where}", is_login=True)
    if isinstance(body, SessionOpen) and body.program in ("login", "wtmp"):
        return Told(time, uid, f"login of {body.user}", is_login=True)
    if isinstance(body, Sudo) and body.allowed:
        return Told(time, uid, f"sudo of {body.user}: {(body.command or '')[:80]}", is_login=False)
    if isinstance(body, Su) and body.allowed:
        return Told(time, uid, f"su of {body.user} to {body.target}", is_login=False)
    return None


def _agent(state: State, name: str) -> Agent:
    agent = state.agents.get(name)
    if agent is None:
        agent = Agent()
        remember(state.agents, name, agent, _AGENTS_LIMIT)
    return agent


def _lost(state: State, record: Record, body: Shrunk, site: Site) -> Iterable[Finding]:
    person = by_person(record, site)
    exe = body.actor.exe if body.actor is not None else None
    if is_system_program(exe, _KEEPERS) or (person is None and exe is not None):
        return ()
    severity: Severity = "low" if is_change(record, site) else "high" if person is not None else "medium"
    lost = Lost(record.event.time, record.uid, record.host, record.boot, body, person, severity)
    agent = _agent(state, record.agent)
    agent.losses = sorted([*agent.losses, lost], key=lambda one: (one.time, one.uid))[-_SHRINKS:]
    return (_finding(record.agent, agent, lost, int(site.number(_ID, _SLACK) * _NS)),)


def _is_among(told: Told, body: Shrunk, slack: int) -> bool:
    """Return whether an act's line is among the lost ones; of login records only logins are."""
    name = body.path.rpartition("/")[2]
    if name.startswith("btmp") or (name.startswith("wtmp") and not told.is_login):
        return False
    if body.lost_at:
        return any(abs(told.time - at) <= slack for at in body.lost_at)
    if body.lost_from is None or body.lost_to is None:
        return False
    return body.lost_from - slack <= told.time <= body.lost_to + slack


def _finding(name: str, agent: Agent, lost: Lost, slack: int) -> Finding:
    body = lost.body
    among = [told for told in agent.acts if _is_among(told, body, slack)]
    who = describe(lost.person) if lost.person is not None else "somebody unknown"
    what = _SAID.get(body.how, "shortened")
    text = f"{who} {what} {body.path} on {lost.host}: {body.lost} of its newest records are gone there"
    if among:
        named = "; ".join(told.what for told in among[:_NAMED])
        more = f" and {len(among) - _NAMED} more" if len(among) > _NAMED else ""
        text += f"; still recorded here: {named}{more}"
    return Finding(
        entity=lost.uid,
        summary=text,
        time=lost.time,
        agent=name,
        host=lost.host,
        evidence=(lost.uid, *(told.uid for told in among[:_EVIDENCE])),
        person=lost.person,
        severity=lost.severity,
        details={"lost": str(body.lost), "recorded": str(len(among))},
        boot=lost.boot,
    )


_ID = "log-shrunk"
_LOGIN = Accepted(program="sshd", user="bob", source=Endpoint(ip="198.51.100.8", port=50_000))
_SUDO = Sudo(program="sudo", user="bob", target="root", command="/usr/bin/id")


def _shrunk(how: str, actor: Actor | None, path: str = "/var/log/auth.log", *at: int) -> Shrunk:
    times = tuple(BEGIN + second * _NS for second in at)
    return Shrunk(
        path=path,
        actor=actor,
        how=how,
        before=FileState(size=9000),
        after=FileState(size=0),
        lost=len(times),
        lost_from=times[0] if times else None,
        lost_to=times[-1] if times else None,
        lost_at=times,
    )


_PYTHON = alice("/usr/bin/python3.11")
_LOG, _WTMP = "/var/log/auth.log", "/var/log/wtmp"

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="A log lost lines that are recorded here",
    severity="high",
    attack=("T1070.002",),
    kinds=(Shrunk, Accepted, SessionOpen, Sudo, Su),
    state=State,
    step=_step,
    parameters=(_SLACK,),
    hits=(
        at_once("a program cuts the log", _LOGIN, _SUDO, _shrunk("truncated", _PYTHON, _LOG, 0, 1)),
        at_once("an interactive shell does", _LOGIN, _shrunk("truncated", alice(), _LOG, 0)),
        at_once("one line is taken out", _LOGIN, _SUDO, _shrunk("replaced", alice("/usr/bin/vi"), _LOG, 1)),
        at_once("a login record is zeroed", _LOGIN, _shrunk("rewritten", _PYTHON, _WTMP, 0)),
        at_once("nobody saw who did it", _LOGIN, _shrunk("removed", None, _LOG, 0)),
        at_once("what is gone was not recorded", _shrunk("truncated", alice())),
        Story(
            "the login's event comes late",
            (Step(60, _shrunk("truncated", alice(), _LOG, 0)), Step(0, _LOGIN)),
        ),
        at_once("announced work: low", _shrunk("truncated", alice()), organisation=WINDOW),
    ),
    misses=(
        at_once("alice runs logrotate", _LOGIN, _shrunk("removed", alice("/usr/sbin/logrotate"), _LOG, 0)),
        at_once(
            "a daemon cuts its log",
            _LOGIN,
            _shrunk("truncated", Actor(pid=9, exe="/usr/sbin/rsyslogd", uid=0), _LOG, 0),
        ),
        at_once(
            "a timer's script does",
            _LOGIN,
            _shrunk("truncated", Actor(pid=9, exe="/usr/bin/bash", uid=0), _LOG, 0),
        ),
        at_once("a robot's account", run("id"), _shrunk("truncated", alice(), _LOG, 0), organisation=SERVICE),
        at_once("logins, and nothing lost", _LOGIN, _SUDO),
    ),
)
