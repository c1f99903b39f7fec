"""Many bytes leave over a connection that came in: sftp get, scp and rsync from outside, a server by hand."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Exec

from ..alert import Severity
from ..examples import PEERS, TEAM, colleague, colleagues, opened
from ..measures.baselines import day_of
from ..measures.outflow import SECOND, Outflow, Work, moved, signs_before
from ..measures.person_days import PersonDays
from ..measures.session_work import (
    ARCHIVERS,
    READERS,
    SIGNS,
    Acting,
    is_foreign,
    is_known,
    key,
    moving,
    program,
    sender,
)
from ..organisation.known import NetworkLabel, Organisation
from ..record import Person, Record, SessionRevision
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 20_000_000, "bytes", "a terminal shows 10 MB of logs, rarely more")
_TRANSFER = Parameter(
    "transfer_bytes",
    8_000_000,
    "bytes",
    "with a program that transfers or packs files; 5 MB are logs to look at",
)
_SECRET = Parameter("secret_bytes", 50_000, "bytes", "after another's secret was read little is much")
_RATIO = Parameter("ratio", 3, "bytes out for each in", "who uploads onto the host gets little back")
_UNUSUAL = Parameter(
    "unusual", 3500, "thousandths of a robust z", "beyond what this person fetches on other days"
)
_WINDOW = Parameter("window", 14_400, "seconds", "what was packed or read this long before is fetched now")
_TRANSFERS = Parameter(
    "transfers",
    f"sftp-server scp rsync {ARCHIVERS}",
    "program names",
    "these fetch files, or pack them for it",
)
_READERS = Parameter("readers", READERS, "program names", "these read secrets as their duty")
_SSHD = frozenset({"sshd", "sshd-session", "dropbear"})
_READ = "read "
_HOW = "over a connection that came in"


class State(Outflow):
    """Also the bytes that each person fetched a day, and what went to logins from known services.

    Who logged in from there may turn out to have come from further away: then it was no service.
    """

    fetched: PersonDays = msgspec.field(default_factory=PersonDays)
    aside: Outflow = msgspec.field(default_factory=Outflow)


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    if isinstance(record.event.body, SIGNS):
        words = _sign(record, site)
        if words is None:
            return ()
        work = state.sign(record, words, 2 * int(site.number(_ID, _WINDOW)) * SECOND)
        return _judged(state, work, record, site, list(work.volumes)) if work.volumes else ()
    flow = moving(record)
    if flow is None or record.person is None or flow.direction != "in" or not flow.bytes_out:
        return ()
    by_login = sender(flow) in _SSHD
    if not _is_judged(flow.remote, record.person, site, by_login=by_login):
        if by_login and site.known.use(flow.remote.ip) == "service":
            state.aside.count(record, flow, _HOW)
        return ()
    work, _volume, grown = state.count(record, flow, _HOW)
    state.fetched.add(record.person.name, grown.day, grown.out)
    return _judged(state, work, record, site, [flow.remote.ip])


def _revised(state: State, session: SessionRevision, site: Site) -> Iterable[Finding]:
    """A session turns out to have been reached from another: what it fetched was no service's."""
    aside = state.aside.sessions.pop(key(session) or "", None) if session.person.chain else None
    if aside is None:
        return ()
    work = state.work(session)
    for address, volume in aside.volumes.items():
        work.volumes.setdefault(address, volume)
        state.fetched.add(session.person.name, day_of(volume.last), volume.out)
    return _judged(state, work, session, site, list(aside.volumes))


def _sign(record: Record, site: Site) -> str | None:
    person, body = record.person, record.event.body
    if person is None or person.is_scheduled:
        return None
    if isinstance(body, Exec):
        return f"ran {program(body)}"
    if isinstance(body, Read) and is_foreign(body, site.words(_ID, _READERS)):
        return f"{_READ}{body.path}"
    return None


def _is_judged(remote: Endpoint, person: Person, site: Site, *, by_login: bool) -> bool:
    """Return whether bytes may be taken away by it: a login from our own network is one as good as any.

    Who came over another host of ours is a person, and no known service, whatever network that host is in.
    """
    if not by_login:
        return not is_known(remote, site)
    use = site.known.use(remote.ip)
    return use in (None, "own") or (use == "service" and bool(person.chain))


def _judged(state: State, work: Work, record: Acting, site: Site, addresses: list[str]) -> Iterable[Finding]:
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < site.number(_ID, _RATIO) * volume.into:
            continue
        signs = signs_before(work, volume, site.number(_ID, _WINDOW))
        is_secret = any(sign.label.startswith(_READ) for sign in signs)
        least = _SECRET if is_secret else _TRANSFER if signs else _BYTES
        if volume.out < site.number(_ID, least):
            continue
        person = record.person.name if record.person is not None else ""
        how = state.fetched.judge(person, day_of(volume.last), site.number(_ID, _UNUSUAL), site.known)
        if is_secret or how != "usual":
            severity: Severity | None = "high" if is_secret else "low" if how == "as peers" else None
            yield moved(record, address, volume, signs=signs, severity=severity)


def _programs(site: Site) -> frozenset[str]:
    return site.words(_ID, _TRANSFERS)


def _connections(_site: Site) -> Connections:
    return Connections("in")


_ID = "inbound-download"
_HOST = Endpoint(ip="10.0.0.5", port=22)
_HOME = Endpoint(ip="198.51.100.7", port=50_000)
_SERVER = Actor(pid=70, exe="/usr/sbin/sshd", uid=1000, auid=1000, session=7)
_PYTHON = Actor(pid=71, exe="/usr/bin/python3.11", uid=1000, auid=1000, session=7)
_SFTP = Exec(
    pid=72, exe="/usr/lib/openssh/sftp-server", argv=("sftp-server",), uid=1000, auid=1000, session=7
)
_CAT = Actor(pid=73, exe="/usr/bin/cat", uid=0, auid=1000, session=7)
_KEYS = Read(path="/etc/shadow", tree="/etc/shadow", actor=_CAT, owner=0)
_SUDO = Read(
    path="/etc/shadow", tree="/etc/shadow", actor=Actor(pid=5, exe="/usr/bin/sudo", auid=1000, session=7)
)
_DAY = 86_400.0


def _sent(out: int, into: int, remote: Endpoint = _HOME, actor: Actor = _SERVER, flow: int = 1) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="in",
        local=_HOST,
        remote=remote,
        bytes_out=out,
        bytes_in=into,
        actor=actor,
    )


def _usual(out: int) -> tuple[Step, ...]:
    """Return a week and more of work, each day in a session of its own."""
    return tuple(
        Step(day * _DAY, _sent(out + day, 900, actor=replace(_SERVER, session=100 + day), flow=day))
        for day in range(10)
    )


def _team(count: int) -> tuple[Step, ...]:
    """Return colleagues who fetch count each day."""
    theirs = tuple(
        Step(day * _DAY + at, _sent(count + day, 900, _HOME, colleague(at, day, "/usr/sbin/sshd"), 50 + day))
        for day in range(1, 9)
        for at in range(len(PEERS))
    )
    return (*colleagues(), *theirs)


def _over_a_hop(to: Endpoint) -> tuple[Step, ...]:
    """Return alice logging in on web1, and from there on db1, which is taken for a service's network."""
    ssh = Actor(pid=60, exe="/usr/bin/ssh", uid=1000, auid=1000, session=7)
    call = Open(
        flow=5, protocol="tcp", direction="out", local=to, remote=Endpoint(ip="10.0.0.9", port=22), actor=ssh
    )
    came = Accepted(program="sshd", user="ops", pid=80, source=to, local=Endpoint(ip="10.0.0.9", port=22))
    return (
        Step(0, opened()),
        Step(1, call),
        Step(2, came, "db1"),
        Step(3, SessionOpen(program="sshd", user="ops", pid=80, auid=1500, session=9), "db1"),
    )


_INNER = Endpoint(ip="192.0.2.40", port=40_000)
_OPS = Actor(pid=81, exe="/usr/sbin/sshd", uid=1500, auid=1500, session=9)
_FETCHED = Step(60, _sent(60_000_000, 400_000, _INNER, _OPS), "db1")


def _report(out: int, into: int) -> Report:
    return Report(
        flow=1,
        protocol="tcp",
        direction="in",
        local=_HOST,
        remote=_HOME,
        bytes_out=out,
        bytes_in=into,
        actor=_SERVER,
    )


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Data fetched over an inbound session",
    severity="medium",
    attack=("T1048", "T1021.004"),
    kinds=(Exec, Read, Close, Report),
    state=State,
    step=_step,
    revised=_revised,
    parameters=(_BYTES, _TRANSFER, _SECRET, _RATIO, _UNUSUAL, _WINDOW, _TRANSFERS, _READERS),
    programs=_programs,
    connections=_connections,
    hits=(
        Story("sftp get of a tree", (Step(0, _SFTP), Step(60, _sent(60_000_000, 400_000)))),
        Story("over a hop, in a network that is listed as a service's", (*_over_a_hop(_INNER), _FETCHED)),
        Story("that they came over a hop is learnt last", (_FETCHED, *_over_a_hop(_INNER))),
        Story(
            "more than on their own other days, though others do as much: a hint",
            (*_team(19_000_000), *_usual(1_000_000), Step(10 * _DAY, _sent(24_000_000, 900, flow=99))),
            organisation=TEAM,
        ),
        Story("told while it goes on", (Step(0, _SFTP), Step(60, _report(10_000_000, 100_000)))),
        Story("the transfer program is told late", (Step(60, _sent(9_000_000, 40_000)), Step(1, _SFTP))),
        Story("sftp within sshd: no program is executed", (Step(0, _sent(60_000_000, 400_000)),)),
        Story(
            "a web server by hand, fetched from outside", (Step(0, _sent(30_000_000, 900, _HOME, _PYTHON)),)
        ),
        Story("the shadow file, shown and carried away", (Step(0, _KEYS), Step(9, _sent(90_000, 5000)))),
        Story(
            "many times of what this person fetches each day",
            (*_usual(9_000_000), Step(10 * _DAY, _sent(900_000_000, 900, flow=99))),
        ),
    ),
    misses=(
        Story(
            "a build of 2 GB goes onto the host", (Step(0, _SFTP), Step(60, _sent(9_000_000, 2_000_000_000)))
        ),
        Story("an admin reads 5 MB of logs", (Step(0, _sent(5_000_000, 30_000)),)),
        Story(
            "journalctl -f for a day",
            (Step(0, _report(4_000_000, 90_000)), Step(9, _sent(10_000_000, 200_000))),
        ),
        Story(
            "the backup host pulls",
            (Step(0, _SFTP), Step(9, _sent(60_000_000, 900, Endpoint(ip="192.0.2.10")))),
        ),
        Story("sudo checks a password in a session of 90 kB", (Step(0, _SUDO), Step(9, _sent(90_000, 5000)))),
        Story(
            "as much as this person fetches each day",
            (*_usual(19_000_000), Step(10 * _DAY, _sent(24_000_000, 900, flow=99))),
        ),
        Story(
            "no more than others who do the same work, on a first day",
            (*_team(19_000_000), Step(10 * _DAY, _sent(24_000_000, 900, flow=99))),
            organisation=TEAM,
        ),
        Story(
            "the backup host pulls, from where somebody is logged in",
            (*_over_a_hop(_INNER), _FETCHED),
            organisation=Organisation(networks=(NetworkLabel("192.0.2.40/32", "backup"),)),
        ),
        Story("a small file is fetched", (Step(0, _SFTP), Step(5, _sent(400_000, 9000)))),
        Story(
            "a timer's session",
            (
                Step(0, SessionOpen(program="cron", user="alice", auid=1000, session=7, pid=40)),
                Step(1, _sent(60_000_000, 900)),
            ),
        ),
        Story(
            "a server that nobody logged in to start",
            (Step(0, _sent(60_000_000, 900, _HOME, Actor(pid=9, exe="/usr/sbin/nginx", uid=33))),),
        ),
    ),
)
