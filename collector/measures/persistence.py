"""What persons had run by itself on each host, and where units and jobs connected to. Pure.

A connection may be told before what started it: it is kept for the unit, or for the session that may turn
out to be a job's.
"""

from __future__ import annotations

import msgspec

from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.file import Change, Create, Rename
from evidence.kinds.state import Changed

from ..bounded import remember
from ..by_person import by_person, is_change, is_explained, is_installer
from ..record import Person, Record, key_of
from ..rule import Site

_SOURCES = frozenset({"cron", "at", "units"})
_FOLDERS = ("/etc/cron", "/var/spool/cron/", "/var/spool/at/", "/etc/systemd/system/", "/etc/systemd/user/")
UNITS = ("/etc/systemd/", "/run/systemd/")
_HOSTS_LIMIT = 20_000
_WRITTEN_LIMIT = 64
OUT_LIMIT = 64
_UNITS_LIMIT = 128
_SESSIONS_LIMIT = 64
_OFTEN = 10_000_000_000
"""What a unit connects to is noted no more often."""


class Written(msgspec.Struct, frozen=True):
    """Who wrote a file that has something run: time (UTC ns), uid of the event, path, what it runs."""

    time: int
    uid: str
    person: Person
    path: str
    runs: str = ""


class Out(msgspec.Struct, frozen=True, gc=False):
    """A connection out of a unit or a job; starts are the unit's stem, or uids of what made the job."""

    time: int
    uid: str
    starts: tuple[str, ...]
    destination: str


class Host(msgspec.Struct, gc=False):
    """By uid of the event what was written; the last connections that jobs and units made to unknown places.

    names are what such a connection may be known by: the uids, and the stems of units. units has the last
    connection of each unit, for a change of the state is told some time after it; sessions the first of each
    session that may turn out to be a job's.
    """

    written: dict[str, Written] = {}
    names: dict[str, None] = {}
    out: dict[str, Out] = {}
    units: dict[str, Out] = {}
    sessions: dict[str, Out] = {}


class State(msgspec.Struct):
    """By agent."""

    hosts: dict[str, Host] = {}


def is_written(state: State, record: Record, body: Changed | Create | Change | Rename, site: Site) -> bool:
    """Note that a person had something run by itself; tell whether it is to be judged."""
    person = by_person(record, site) if _is_schedule(body) else None
    if (
        person is None
        or is_explained(body.explained_by)
        or is_installer(body.actor)
        or is_change(record, site)
    ):
        return False
    host = host_of(state, record.agent)
    path = (body.path if not isinstance(body, Changed) else body.path or body.subject) or ""
    runs = "; ".join(getattr(body, "added", None) or ())[:300]
    one = Written(record.event.time, record.uid, person, path, runs)
    remember(host.written, record.uid, one, _WRITTEN_LIMIT)
    for name in (record.uid, stem(path)):
        remember(host.names, name, None, 2 * _WRITTEN_LIMIT)
    started = host.units.get(stem(path))
    if started is not None and path.startswith(UNITS):
        remember(host.out, started.uid, started, OUT_LIMIT)
    return True


def host_of(state: State, agent: str) -> Host:
    """Return what is remembered of a host, from now on if nothing was."""
    host = state.hosts.get(agent)
    if host is None:
        host = Host()
        remember(state.hosts, agent, host, _HOSTS_LIMIT)
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


def goes_out(state: State, record: Record, body: Open | Close | Report) -> bool:
    """Note a connection to an unknown place, and return whether something that was written started it."""
    starts, session = _starts(record, body), _may_be_a_jobs(record)
    if not starts and session is None:
        return False
    host = host_of(state, record.agent)
    out = Out(record.event.time, record.uid, starts, body.remote.ip)
    if session is not None:
        former = host.sessions.get(session, out)
        remember(host.sessions, session, min(former, out, key=_order), _SESSIONS_LIMIT)
    is_named = not host.names.keys().isdisjoint(starts)
    if not starts or (not is_named and _is_often(host, out)):
        return False
    remember(host.units, starts[-1], out, _UNITS_LIMIT)
    if is_named:
        remember(host.out, f"{record.boot}|{body.flow}", out, OUT_LIMIT)
    return is_named


def _order(out: Out) -> tuple[int, str]:
    return out.time, out.uid


def _is_often(host: Host, out: Out) -> bool:
    """Return whether a unit connected to somewhere a moment before."""
    former = host.units.get(out.starts[-1])
    return former is not None and 0 <= out.time - former.time < _OFTEN


def _may_be_a_jobs(record: Record) -> str | None:
    """Return the session of a person nobody saw come from anywhere: what runs in it may be a job's."""
    person = record.person
    if person is None or person.session is None or person.how != "kernel" or person.source is not None:
        return None
    return key_of(record.agent, record.boot, person.session)


def _starts(record: Record, body: Open | Close | Report) -> tuple[str, ...]:
    """Return what made the process run: the events behind a person's job, and the stem of its unit."""
    causes = record.person.because if record.person is not None and record.person.how == "job" else ()
    unit = body.actor.unit if body.actor is not None else None
    return (*causes, stem(unit)) if unit and not unit.endswith(".scope") else causes


def stem(path: str) -> str:
    """Return what a unit's service, timer and drop-ins have in common: ``x`` of ``x.service.d/a.conf``."""
    parts = path.split("/")
    name = next((part[:-2] for part in parts if part.endswith(".d") and "." in part[:-2]), parts[-1])
    return name.rpartition(".")[0] or name
