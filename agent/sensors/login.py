"""The login sensor: logins, sessions, sudo and su, from the auth log or the journal, and from wtmp and btmp.

Rungs: *log* follows the first configured log file that exists, *journal* reads the journal, *wait* follows
every configured name until a log appears there. The first two send themselves a line through the syslog
socket and are believed when it comes out at the other end: a log file that nobody writes is no log.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from ..cursor_file import CursorFile
from ..decode.journal import parse_entry
from ..decode.utmp import record_size
from ..errors import RungUnavailable
from ..feeds.login import SELF_TEST, TAG, LoginFeed, Place, Probe
from ..kernel.follow import FollowedFile, Notices, split_records
from ..kernel.journal import Journal, check_journal
from ..kernel.syslog_socket import send_line
from ..logins.log_source import JournalLines, LogFiles
from ..sensor import Context, Feed, Rung, Sensor

_PROBE = "login.probe"
_LAG = 2.0
"""Seconds beyond the priority lane's age after which an event is taken for sealed."""


def _open_log(context: Context) -> Feed:
    """Follow the first configured log that exists."""
    login = context.settings.login
    existing = next((Path(path) for path in login.logs if Path(path).is_file()), None)
    if existing is None:
        raise RungUnavailable(f"none of {', '.join(login.logs)} exists", "install rsyslog, or set login.logs")
    return _open_files(context, "log", (existing,), partial(_through_syslog, login.syslog))


def _open_wait(context: Context) -> Feed:
    """Follow every configured name; the self-test goes through a file of our own."""
    paths = tuple(Path(path) for path in context.settings.login.logs)
    probe = context.state / _PROBE
    probe.unlink(missing_ok=True)
    probe.touch(mode=0o600)
    return _open_files(context, "wait", (*paths, probe), partial(_through_file, probe))


def _open_files(context: Context, rung: str, paths: tuple[Path, ...], probe: Probe) -> Feed:
    cursors, place = _load(context)
    notices = Notices()
    known = {name: cursor for name, cursor in place.files.items() if Path(name).name != _PROBE}
    source = LogFiles(paths, notices, known, local_zone())
    records = _open_records(context, notices, place)
    return LoginFeed(
        rung,
        source,
        records=records,
        notices=notices,
        cursors=cursors,
        probe=probe,
        watched=_watched(context),
        processes=context.processes,
    )


def _open_journal(context: Context) -> Feed:
    """Read the journal."""
    program, last = check_journal()
    entry = parse_entry(last)
    if entry is None:
        raise RungUnavailable("journalctl does not write JSON entries")
    cursors, place = _load(context)
    notices = Notices()
    source = JournalLines(partial(Journal, program), place.journal or entry.cursor)
    records = _open_records(context, notices, place)
    probe = partial(_through_syslog, context.settings.login.syslog)
    return LoginFeed(
        "journal",
        source,
        records=records,
        notices=notices,
        cursors=cursors,
        probe=probe,
        watched=_watched(context),
        processes=context.processes,
    )


def _watched(context: Context) -> frozenset[Path]:
    """Return the files of which it is told that they lost what they had."""
    login = context.settings.login
    return frozenset(Path(path) for path in (*login.logs, login.wtmp, login.btmp))


def _load(context: Context) -> tuple[CursorFile[Place], Place]:
    lag = context.settings.batch.priority_age + _LAG
    cursors = CursorFile(context.state / "login.cursor", Place, lag)
    return cursors, cursors.load() or Place()


def _open_records(context: Context, notices: Notices, place: Place) -> dict[str, FollowedFile]:
    login = context.settings.login
    size = record_size(os.uname().machine)
    return {
        name: FollowedFile(Path(path), notices, split_records(size), place.files.get(name), size)
        for name, path in (("wtmp", login.wtmp), ("btmp", login.btmp))
    }


def _through_syslog(path: str, token: str) -> None:
    send_line(path, TAG, os.getpid(), SELF_TEST + token)


def _through_file(path: Path, token: str) -> None:
    now = datetime.now().astimezone().isoformat()
    path.unlink(missing_ok=True)  # a new file, as after a rotation: a shorter one would count as truncated
    path.write_text(f"{now} localhost {TAG}[{os.getpid()}]: {SELF_TEST}{token}\n")


def local_zone() -> tzinfo:
    """Return the host's time zone, in which the syslog daemon writes; UTC where the host names none."""
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


SENSOR = Sensor("login", (Rung("log", _open_log), Rung("journal", _open_journal), Rung("wait", _open_wait)))
