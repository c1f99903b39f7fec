"""What is remembered of what cron, at, systemd and container runtimes start for a session. Pure and bounded.

Such a process has no login identity, or that of the account it runs as. Its cause is known where a person's
session wrote the crontab line, the script or the at job (`schedules`), or asked a runtime or systemd for it
(`launches`). A link goes on to what the process starts, as long as that does not log in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import msgspec

from evidence.kinds.process import Exec

from ..bounded import remember
from ..record import How, Person
from .job_commands import Started, base_name

Role = Literal["asks", "runs", "cron", "at"]
TABLES = ("/etc/cron", "/var/spool/cron/", "/var/spool/at/")
"""Where cron's tables and scripts and at's jobs are kept."""
_ROLES: dict[str, Role] = {
    **dict.fromkeys(
        ("docker", "podman", "nerdctl", "crictl", "ctr", "docker-compose", "systemd-run", "at", "batch"),
        "asks",
    ),
    **dict.fromkeys(("sh", "dash", "bash", "zsh", "ksh", "mksh", "busybox", "fish"), "runs"),
    **dict.fromkeys(("perl", "python3", "ruby"), "runs"),
    **dict.fromkeys(("cron", "crond", "anacron"), "cron"),
    "atd": "at",
}
_PROCESSES = 512
_TICK = 10_000_000
WEAK = frozenset({"inferred", "uid"})


class Cause(msgspec.Struct, frozen=True):
    """An act that has something run later: whose it was, the event's uid and its time (UTC ns).

    owner is the user id of the file written, or of who asked; an at job runs as it. via is the key of the
    session it was done in, of whom the person is to be learnt anew.
    """

    person: Person
    uid: str
    time: int
    owner: int | None = None
    via: str | None = None


class Launch(msgspec.Struct, frozen=True):
    """A request to start something elsewhere."""

    cause: Cause
    what: Started


class Caused(msgspec.Struct, frozen=True):
    """Who is behind what was caused; how and because are the cause's own part of that.

    via is the key of the session the cause lies in, of whom the person is to be learnt anew.
    """

    person: Person
    how: How
    via: str | None
    because: tuple[str, ...] = ()


class Linked(msgspec.Struct, frozen=True):
    """A process that a job began or leads to; session is the audit session it has, if any.

    caused is None where the cause may still become known; job is the uid of the exec that began it.
    """

    start: int | None
    session: int | None
    caused: Caused | None
    job: str = ""


class Mark(msgspec.Struct, frozen=True):
    """A change of a table, a script or a line, at a time (UTC ns) by the event of number seq.

    cause is None where nobody wrote it who is known. path is set where it was seen some time after it
    happened: then whoever wrote the path just before is its cause, if it has none.
    """

    time: int
    seq: int
    cause: Cause | None
    path: str | None = None


class Ran(msgspec.Struct, frozen=True):
    """What cron or atd started: by the exec uid, at time (UTC ns) and seq, and what tells its cause.

    owner is the user id it runs as, accounts the names of it; lines are what its line of cron may be kept by,
    script is a file of cron's folders. whole: its audit session is this job's alone.
    """

    uid: str
    time: int
    seq: int
    session: int | None
    owner: int | None
    by: Literal["at", "cron", "script"] = "at"
    accounts: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    script: str = ""
    whole: bool = True
    caused: Caused | None = None


class Host(msgspec.Struct):
    """What is remembered of one host; all but tables and their lines is of one boot.

    written by path, lines by account and digest of the command, processes by pid. Oldest goes first.
    """

    boot: str = ""
    written: dict[str, list[Mark]] = {}
    lines: dict[str, list[Mark]] = {}
    launches: list[Launch] = []
    processes: dict[int, Linked] = {}
    ran: list[Ran] = []


def inherited(processes: dict[int, Linked], body: Exec) -> Linked | None:
    """Return the link of the process itself, if it executes once more, or of an ancestor near it."""
    line = body.ancestry
    link = processes.get(body.pid)
    if link is not None and _is(link, body.start, body.session):
        return link
    start = body.parent_start
    link = processes.get(body.ppid) if body.ppid is not None else None
    if link is None and len(line) > 1:  # the parent was only forked, of which no exec tells
        link, start = processes.get(line[1].pid), line[1].start
    return link if link is not None and _is(link, start, body.session) else None


def behind(link: Linked, start: int | None, session: int | None) -> Person | None:
    """Return a link's person if the process began at start, and still has the audit session it had."""
    return link.caused.person if link.caused is not None and _is(link, start, session) else None


def _is(link: Linked, start: int | None, session: int | None) -> bool:
    if link.start is None or start is None or link.session != session:
        return False
    return link.start // _TICK == start // _TICK


def link(host: Host, body: Exec, caused: Caused | None, job: str = "") -> None:
    """Remember what caused the process, or the job through which that may become known."""
    remember(host.processes, body.pid, Linked(body.start, body.session, caused, job), _PROCESSES)


def resolve(host: Host, job: str, caused: Caused | None) -> None:
    """Let a job's processes be those of its cause as it is known by now."""
    for pid, process in host.processes.items():
        if process.job == job:
            host.processes[pid] = msgspec.structs.replace(process, caused=caused)


def rename(host: Host, via: str, person: Person) -> None:
    """Let all that was caused in a session be the person's whose session it turned out to be."""

    def named(cause: Cause) -> Cause:
        return msgspec.structs.replace(cause, person=person) if cause.via == via else cause

    for table in (host.written, host.lines):
        _rename_marks(table, via, named)
    host.launches = [
        Launch(named(one.cause), one.what) if one.cause.via == via else one for one in host.launches
    ]
    for pid, process in host.processes.items():
        if process.caused is not None and process.caused.via == via:
            host.processes[pid] = msgspec.structs.replace(process, caused=_again(person, process.caused))
    for at, run in enumerate(host.ran):
        if run.caused is not None and run.caused.via == via:
            host.ran[at] = msgspec.structs.replace(run, caused=_again(person, run.caused))


def _rename_marks(table: dict[str, list[Mark]], via: str, named: Callable[[Cause], Cause]) -> None:
    for marks in table.values():
        for at, mark in enumerate(marks):
            if mark.cause is not None and mark.cause.via == via:
                marks[at] = msgspec.structs.replace(mark, cause=named(mark.cause))


def caused_by(cause: Cause, how: How, session: int | None) -> Caused:
    """Return the cause's person as the one behind what it caused."""
    return _by(cause.person, how, session, cause.via, (cause.uid,))


def _again(person: Person, caused: Caused) -> Caused:
    return _by(person, caused.how, caused.person.session, caused.via, caused.because)


def _by(who: Person, how: How, session: int | None, via: str | None, because: tuple[str, ...]) -> Caused:
    """Return who as the one behind it: never surer than who caused it is."""
    sure: How = "inferred" if who.how in WEAK else how
    shown = (*who.because, *because)
    person = Person(who.name, sure, session, who.source, who.fingerprint, shown, who.chain)
    return Caused(person, how, via, because)


def one_of(causes: list[Cause]) -> Cause | None:
    """Return the last cause if all are one person's."""
    return causes[-1] if len({cause.person.name for cause in causes}) == 1 else None


@functools.lru_cache(maxsize=4096)
def role(exe: str | None) -> Role | None:
    """Return what a program may have to do with jobs: it asks for them, keeps their time, or runs them."""
    name = base_name(exe or "")
    return _ROLES.get(name)
