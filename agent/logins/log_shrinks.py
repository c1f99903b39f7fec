"""What is told of a followed log that lost records: what was lost, when that had been, and who did it."""

from __future__ import annotations

from collections.abc import Callable

from evidence.kind import Actor
from evidence.kinds.file import FileState, Shrunk

from ..kernel.log_writers import LogWriters
from ..kernel.told import Shrink
from ..sensor import Observed, Processes

_BEFORE = 10_000_000_000
"""Nanoseconds before a loss was seen in which its author wrote."""
_TIMES = 64
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/")
_OWN = "/usr/local/"
_KEEPERS = frozenset(
    {
        "rsyslogd",
        "syslog-ng",
        "syslogd",
        "systemd-journald",
        "systemd",
        "systemd-logind",
        "systemd-update-utmp",
    }
    | {"init", "agetty", "getty", "login", "sshd", "sshd-session", "sshd-auth", "sudo", "su", "cron", "crond"}
)
"""Programs that write these files as their duty: not the authors of a loss if anybody else wrote."""


def told(
    shrink: Shrink, times: list[int], writers: LogWriters, processes: Processes, now: int
) -> Observed | None:
    """Return the event; None for what looks like a rotation of which nobody was seen.

    times are those of the lost records that have one (UTC ns), now is monotonic.
    """
    actor = _author(shrink, writers, processes.actor)
    if actor is None and shrink.compressed:
        return None
    times = sorted(times)
    after = None if shrink.after is None else FileState(size=shrink.after, inode=shrink.new_inode)
    body = Shrunk(
        path=str(shrink.path),
        actor=actor,
        how=shrink.how,
        before=FileState(size=shrink.before, inode=shrink.inode),
        after=after,
        lost=len(shrink.lost),
        lost_from=times[0] if times else None,
        lost_to=times[-1] if times else None,
        lost_at=tuple(times) if len(times) <= _TIMES else (),
    )
    return Observed(body, mono=min(shrink.mono, now))


def _author(
    shrink: Shrink, writers: LogWriters, actor_of: Callable[[int, int | None], Actor | None]
) -> Actor | None:
    """Return who wrote last and is no keeper of the log; else a process that nothing is known of, or None."""
    unknown: Actor | None = None
    for pid, at in writers.of(shrink.path, shrink.mono - _BEFORE):
        actor = actor_of(pid, at)
        if actor is None or actor.exe is None:
            unknown = unknown or actor or Actor(pid=pid)
        elif not _keeps(actor.exe):
            return actor
    return unknown


def _keeps(exe: str) -> bool:
    return exe.startswith(_SYSTEM) and not exe.startswith(_OWN) and exe.rpartition("/")[2] in _KEEPERS
