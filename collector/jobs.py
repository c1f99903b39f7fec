"""Which session caused what cron, at, systemd and container runtimes started for it. Pure and bounded.

Such a process has no login identity, or that of the account it runs as. Its cause is known where a person's
session wrote the crontab line, the script or the at job (how: job), or named the unit (job), or asked a
runtime or systemd for just this command moments before (inferred). Two persons who may both have been it are
nobody. A link goes on to what the process starts, as long as that does not log in.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from typing import Literal

import msgspec

from evidence.kinds.process import Exec

from .bounded import remember
from .job_commands import (
    Started,
    at_due,
    base_name,
    cron_line,
    is_same_command,
    is_table,
    one_form,
    started,
    table_account,
)
from .record import How, Person

Role = Literal["asks", "runs", "cron", "at"]
TABLES = ("/etc/cron", "/var/spool/cron/", "/var/spool/at/")
"""Where cron's tables and scripts and at's jobs are kept."""
_SCRIPTS = "/etc/cron."
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

WINDOW = 10_000_000_000
"""Nanoseconds from the request to what it starts."""
NAMED_WINDOW = 86_400_000_000_000
"""Nanoseconds for which a unit's name is remembered: a timer may start it later."""
AT_WINDOW = 600_000_000_000
"""Nanoseconds after it is due within which an at job begins."""
_JUST = 60_000_000_000
_WRITTEN, _LINES, _LAUNCHES, _PROCESSES = 128, 1024, 32, 512
_TICK = 10_000_000
_NEAR, _HIGH = 2, 4
"""Steps up to the daemon, which forks before it starts a job; through run-parts."""
_JOB: How = "job"
_INFERRED: How = "inferred"
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
    """A process whose cause is known; session is the audit session it has, if any."""

    start: int | None
    session: int | None
    caused: Caused


class Host(msgspec.Struct):
    """What is remembered of one host; all but tables and their lines is of one boot.

    written by path, lines by account and digest of the command, processes by pid. Oldest goes first.
    """

    boot: str = ""
    written: dict[str, Cause] = {}
    lines: dict[str, Cause] = {}
    launches: list[Launch] = []
    processes: dict[int, Linked] = {}


def written(host: Host, path: str, cause: Cause | None, lines: Iterable[str], gone: Iterable[str]) -> None:
    """Note who wrote a table, script or job: the lines added and those removed; None: nobody who is known."""
    if cause is None:
        host.written.pop(path, None)
    else:
        remember(host.written, path, cause, _WRITTEN)
    for line in gone:
        key = _line_key(path, line)
        if key is not None:
            host.lines.pop(key, None)
    for line in lines:
        key = _line_key(path, line)
        if key is not None and cause is not None:
            remember(host.lines, key, cause, _LINES)
        elif key is not None:
            host.lines.pop(key, None)


def just_written(host: Host, path: str, time: int) -> Cause | None:
    """Return who wrote path within the last minute, by an event that told no lines."""
    cause = host.written.get(path)
    return cause if cause is not None and 0 <= time - cause.time <= _JUST else None


def launched(host: Host, body: Exec, cause: Cause) -> None:
    """Note what a session asked for elsewhere, if this exec is such a request."""
    what = started(body.argv)
    if what is None:
        return
    still = [one for one in host.launches if cause.time - one.cause.time <= _patience(one.what)]
    host.launches = [*still, Launch(cause, what)][-_LAUNCHES:]


def inherited(processes: dict[int, Linked], body: Exec) -> Caused | None:
    """Return what caused the process itself, if it executes once more, or a linked ancestor near it."""
    line = body.ancestry
    link = processes.get(body.pid)
    if link is not None and behind(link, body.start, body.session) is not None:
        return link.caused
    start = body.parent_start
    link = processes.get(body.ppid) if body.ppid is not None else None
    if link is None and len(line) > 1:  # the parent was only forked, of which no exec tells
        link, start = processes.get(line[1].pid), line[1].start
    if link is None or behind(link, start, body.session) is None:
        return None
    return link.caused


def behind(link: Linked, start: int | None, session: int | None) -> Person | None:
    """Return a link's person if the process began at start, and still has the audit session it had."""
    if link.start is None or start is None or link.session != session:
        return None
    return link.caused.person if link.start // _TICK == start // _TICK else None


def link(host: Host, body: Exec, caused: Caused) -> None:
    """Remember what caused the process."""
    remember(host.processes, body.pid, Linked(body.start, body.session, caused), _PROCESSES)


def rename(host: Host, via: str, person: Person) -> None:
    """Let all that was caused in a session be the person's whose session it turned out to be."""
    for table in (host.written, host.lines):
        for name, cause in table.items():
            if cause.via == via:
                table[name] = msgspec.structs.replace(cause, person=person)
    host.launches = [
        Launch(msgspec.structs.replace(one.cause, person=person), one.what) if one.cause.via == via else one
        for one in host.launches
    ]
    for pid, process in host.processes.items():
        if process.caused.via == via:
            caused = process.caused
            now = _by(person, caused.how, caused.person.session, via, caused.because)
            host.processes[pid] = msgspec.structs.replace(process, caused=now)


def arrived(host: Host, body: Exec, time: int) -> Caused | None:
    """Return who asked for this process of a container or transient unit, which has no login identity."""
    fitting = [one for one in host.launches if _fits(one, body, time)]
    cause = _one([one.cause for one in fitting])
    if cause is None:
        return None
    if fitting[-1].what.unit:
        return _caused(cause, "job", cause.person.session)
    host.launches.remove(fitting[-1])
    return _caused(cause, "inferred", cause.person.session)


def scheduled(host: Host, body: Exec, time: int) -> Caused | None:
    """Return who wrote what cron or atd starts with this process."""
    above = [role(step.exe) for step in body.ancestry[:_HIGH]]
    if "at" in above[:_NEAR]:
        return _at_job(host, body, time)
    if "cron" not in above:
        return None
    if "cron" in above[:_NEAR] and len(body.argv) > _NEAR and body.argv[1] == "-c":
        return _cron_job(host, body)
    script = next((text for text in body.argv[:_NEAR] if text.startswith(_SCRIPTS)), None)
    cause = host.written.get(script) if script is not None else None
    return None if cause is None else _caused(cause, "job", body.session)


@functools.lru_cache(maxsize=4096)
def role(exe: str | None) -> Role | None:
    """Return what a program may have to do with jobs: it asks for them, keeps their time, or runs them."""
    name = base_name(exe or "")
    return _ROLES.get(name)


def is_whole_session(body: Exec) -> bool:
    """Return whether the audit session of what cron or atd started is this job's alone."""
    return not any(text.startswith(_SCRIPTS) for text in body.argv[:_NEAR])


def _cron_job(host: Host, body: Exec) -> Caused | None:
    accounts = [name for name in (body.user, body.login) if name is not None]
    for account in accounts:
        cause = host.lines.get(_key(account, one_form(body.argv[2])))
        if cause is not None:
            return _caused(cause, "job", body.session)
    for path, cause in reversed(host.written.items()):
        if is_table(path) and table_account(path) in accounts:
            return _caused(cause, "inferred", body.session)  # their table, but the line was not told
    return None


def _at_job(host: Host, body: Exec, time: int) -> Caused | None:
    """Return who wrote the job of this account that was due last."""
    due: dict[int, list[Cause]] = {}
    for path, cause in host.written.items():
        at = at_due(path)
        if at is not None and 0 <= time - at <= AT_WINDOW and {cause.owner, body.uid} - {None} <= {body.uid}:
            due.setdefault(at, []).append(cause)
    if due:
        one, how = _one(due[max(due)]), _JOB
    else:  # its file was not told, or not yet
        one, how = _one([one.cause for one in host.launches if _asked_atd(one, body, time)]), _INFERRED
    return None if one is None else _caused(one, how, body.session)


def _asked_atd(one: Launch, body: Exec, time: int) -> bool:
    return (
        one.what.by_atd and one.cause.owner == body.uid is not None and 0 <= time - one.cause.time <= WINDOW
    )


def _one(causes: list[Cause]) -> Cause | None:
    """Return the last cause if all are one person's."""
    return causes[-1] if len({cause.person.name for cause in causes}) == 1 else None


def _fits(one: Launch, body: Exec, time: int) -> bool:
    if not 0 <= time - one.cause.time <= _patience(one.what):
        return False
    what = one.what
    if what.container is not None:
        return (
            body.container is not None
            and is_same_command(body.argv, what.command)
            and (not _is_id(what.container) or body.container.startswith(what.container))
        )
    if what.unit:
        return body.unit == what.unit
    return body.unit is not None and body.unit.startswith("run-") and is_same_command(body.argv, what.command)


def _is_id(container: str) -> bool:
    """Return whether a container was named by the first digits of its id rather than by name."""
    return len(container) >= len("0123456789ab") and not container.strip("0123456789abcdef")


def _patience(what: Started) -> int:
    return NAMED_WINDOW if what.unit else WINDOW


def _caused(cause: Cause, how: How, session: int | None) -> Caused:
    """Return the cause's person as the one behind what it caused."""
    return _by(cause.person, how, session, cause.via, (cause.uid,))


def _by(who: Person, how: How, session: int | None, via: str | None, because: tuple[str, ...]) -> Caused:
    """Return who as the one behind it: never surer than who caused it is."""
    sure: How = "inferred" if who.how in WEAK else how
    shown = (*who.because, *because)
    person = Person(who.name, sure, session, who.source, who.fingerprint, shown, who.chain)
    return Caused(person, how, via, because)


def _line_key(path: str, line: str) -> str | None:
    said = cron_line(path, line) if is_table(path) else None
    return None if said is None else _key(*said)


def _key(account: str, command: str) -> str:
    return f"{account}|{hashlib.sha256(command.encode(errors='replace')).hexdigest()[:16]}"
