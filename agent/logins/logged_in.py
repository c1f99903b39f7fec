"""Who is logged in, told from the processes of login sessions."""

from __future__ import annotations

from collections.abc import Callable

from evidence.kinds.agent import LoggedIn

from ..decode.proc_files import Snapshot
from ..sensor import Moment

_MOST = 64


def sessions(
    processes: list[Snapshot], now: Moment, name: Callable[[int], str | None]
) -> tuple[LoggedIn, ...]:
    """Return the login sessions that processes belong to, the oldest first, at most 64.

    name gives the user of a uid. A session began with its oldest process, whose terminal is the session's;
    where that has none, the oldest that has one tells it.
    """
    found: dict[tuple[int, int], list[Snapshot]] = {}
    for process in processes:
        if process.auid is not None and process.session is not None:
            found.setdefault((process.auid, process.session), []).append(process)
    told = []
    for (auid, session), members in found.items():
        members.sort(key=lambda one: one.start)
        tty = next((one.tty for one in members if one.tty is not None), None)
        since = now.time - now.mono + members[0].start
        told.append(LoggedIn(auid=auid, session=session, user=name(auid), tty=tty, since=since))
    return tuple(sorted(told, key=lambda one: one.since or 0)[:_MOST])
