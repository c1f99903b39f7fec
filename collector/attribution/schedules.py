"""Who wrote what cron and atd run: the lines of tables, the scripts and the at jobs, as of a time. Pure.

All that is known is kept with its time, so that it does not matter whether the writing or the run is told
first. Two persons who may both have caused a run are nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from evidence.kinds.process import Exec

from ..bounded import remember
from .job_commands import at_due, cron_line, is_table, one_form, table_account
from .jobs import Cause, Caused, Host, Launch, Mark, Ran, caused_by, one_of, role
from .launches import WINDOW

AT_WINDOW = 600_000_000_000
"""Nanoseconds after it is due within which an at job begins."""
SEEN_LATE = 60_000_000_000
"""Nanoseconds after which what is in a table or folder has been seen there."""
_SCRIPTS = "/etc/cron."
_TABLES = ("/var/spool/cron/crontabs/", "/var/spool/cron/tabs/", "/var/spool/cron/")
"""Where accounts have tables of their own, by distribution."""
_WRITTEN, _LINES, _MARKS, _RAN = 128, 1024, 4, 64
_NEAR, _HIGH = 2, 4
"""Steps up to the daemon, which forks before it starts a job; through run-parts."""


def written(host: Host, path: str, mark: Mark, lines: Iterable[str], gone: Iterable[str]) -> None:
    """Note a change of a table, script or job: the lines added and those removed."""
    _add(host.written, path, mark, _WRITTEN)
    nobodys = replace(mark, cause=None, path=None)
    for line in gone:
        key = _line_key(path, line)
        if key is not None:
            _add(host.lines, key, nobodys, _LINES)
    for line in lines:
        key = _line_key(path, line)
        if key is not None:
            _add(host.lines, key, mark, _LINES)


def _add(table: dict[str, list[Mark]], key: str, mark: Mark, limit: int) -> None:
    """Keep a mark among the newest of its key, in order of time."""
    others = [one for one in table.get(key, ()) if (one.time, one.seq) != (mark.time, mark.seq)]
    marks = sorted([*others, mark], key=lambda one: (one.time, one.seq))
    remember(table, key, marks[-_MARKS:], limit)


def ran(body: Exec, uid: str, time: int, seq: int) -> Ran | None:
    """Return what tells the cause of a process that cron or atd started; None for any other."""
    above = [role(step.exe) for step in body.ancestry[:_HIGH]]
    run = Ran(uid, time, seq, body.session, body.uid)
    if "at" in above[:_NEAR]:
        return run
    if "cron" not in above:
        return None
    if "cron" in above[:_NEAR] and len(body.argv) > _NEAR and body.argv[1] == "-c":
        accounts = tuple(dict.fromkeys(name for name in (body.user, body.login) if name is not None))
        lines = tuple(_key(account, one_form(body.argv[2])) for account in accounts)
        return replace(run, by="cron", accounts=accounts, lines=lines)
    script = next((text for text in body.argv[:_NEAR] if text.startswith(_SCRIPTS)), None)
    return None if script is None else replace(run, by="script", script=script, whole=False)


def concerns(run: Ran, path: str) -> bool:
    """Return whether a change of the file at path may tell who caused a run."""
    if at_due(path) is not None:
        return run.by == "at"
    if run.by == "script":
        return run.script == path
    return run.by == "cron" and is_table(path) and table_account(path) in (None, *run.accounts)


def note(host: Host, run: Ran) -> None:
    """Keep a run: who caused it may be told later."""
    host.ran = [*host.ran, run][-_RAN:]


def caused(host: Host, run: Ran) -> Caused | None:
    """Return who wrote what cron or atd started, as far as that is known by now."""
    if run.by == "at":
        return _at_job(host, run)
    if run.by == "cron":
        return _cron_job(host, run)
    cause = _as_of(host, host.written.get(run.script, ()), run)
    return None if cause is None else caused_by(cause, "job", run.session)


def _as_of(host: Host, marks: Sequence[Mark], run: Ran) -> Cause | None:
    """Return who is behind the last change before a run, or behind what was seen there only afterwards."""
    before = [one for one in marks if (one.time, one.seq) <= (run.time, run.seq)]
    if before:
        return _cause(host, before[-1])
    late = [one for one in marks if one.path is not None and one.time - run.time <= SEEN_LATE]
    return _cause(host, late[0]) if late else None


def _cause(host: Host, mark: Mark) -> Cause | None:
    """Return whose a change was: where its event did not say, whose writing of the file came just before."""
    if mark.cause is not None or mark.path is None:
        return mark.cause
    wrote = [
        one.cause
        for one in host.written.get(mark.path, ())
        if one.cause is not None and 0 <= mark.time - one.cause.time <= SEEN_LATE
    ]
    return wrote[-1] if wrote else None


def _cron_job(host: Host, run: Ran) -> Caused | None:
    for line in run.lines:
        cause = _as_of(host, host.lines.get(line, ()), run)
        if cause is not None:
            return caused_by(cause, "job", run.session)
    for table in (f"{folder}{account}" for account in run.accounts for folder in _TABLES):
        cause = _as_of(host, host.written.get(table, ()), run)
        if cause is not None:
            return caused_by(cause, "inferred", run.session)  # their table, but the line was not told
    return None


def _at_job(host: Host, run: Ran) -> Caused | None:
    """Return who wrote the job of this account that was due last."""
    due: dict[int, list[Cause]] = {}
    for path, marks in host.written.items():
        at = at_due(path)
        if at is None or not 0 <= run.time - at <= AT_WINDOW:
            continue
        cause = _as_of(host, marks, run)
        if cause is not None and {cause.owner, run.owner} - {None} <= {run.owner}:
            due.setdefault(at, []).append(cause)
    if due:
        found = one_of(due[max(due)])
        return None if found is None else caused_by(found, "job", run.session)
    # its file was not told, or not yet
    found = one_of([one.cause for one in host.launches if _asked_atd(one, run)])
    return None if found is None else caused_by(found, "inferred", run.session)


def _asked_atd(one: Launch, run: Ran) -> bool:
    return (
        one.what.by_atd
        and one.cause.owner == run.owner is not None
        and 0 <= run.time - one.cause.time <= WINDOW
    )


def _line_key(path: str, line: str) -> str | None:
    said = cron_line(path, line) if is_table(path) else None
    return None if said is None else _key(*said)


def _key(account: str, command: str) -> str:
    return f"{account}|{hashlib.sha256(command.encode(errors='replace')).hexdigest()[:16]}"
