"""What cron, at, systemd and container runtimes start on all hosts, and the sessions that leads from and to.

The glue between `schedules` and `launches`, which find the cause on one host, and `sessions`, which names
persons. A cause that becomes known after its job ran is the job's all the same.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from evidence.event import Event
from evidence.kind import Actor, Body
from evidence.kinds import file, process, state

from ..bounded import remember
from ..record import Hop, Origin, Person
from . import jobs, launches, schedules
from .sessions import Link, Sessions

HOSTS_LIMIT = 20_000
_DIGITS = 11
"""More than a user id has."""
Written = file.Create | file.Change | file.Rename | state.Changed


class Causes:
    """Finds who had a process run. host is what is remembered of the host whose batch is under way."""

    def __init__(self, hosts: dict[str, jobs.Host], sessions: Sessions) -> None:
        self._hosts = hosts
        self._sessions = sessions
        self.host: jobs.Host | None = None

    def enter(self, origin: Origin) -> None:
        """Look up what is remembered of the host whose batch begins; processes do not outlive a boot."""
        self.host = host = self._hosts.get(origin.agent)
        if host is not None and host.boot != origin.boot:
            host.boot = origin.boot
            host.launches, host.processes, host.ran = [], {}, []

    def started(self, origin: Origin, event: Event[process.Exec], role: jobs.Role | None) -> Person | None:
        """Return whose a process is by its parent's link, or by what started it, and link it."""
        host, body = self.host, event.body
        link = jobs.inherited(host.processes, body) if host is not None and host.processes else None
        if link is not None and host is not None:
            jobs.link(host, body, link.caused, link.job)
            return link.caused.person if link.caused is not None else None
        if role != "runs" and body.session is not None:
            return None
        caused = self._launched(host, event)
        if caused is None and role == "runs":
            caused = self._ran(origin, event)
        return caused.person if caused is not None else None

    def asked(self, origin: Origin, event: Event[process.Exec], owner: jobs.Caused) -> None:
        """Note what somebody asked cron, at, systemd or a runtime for."""
        body = event.body
        cause = jobs.Cause(owner.person, origin.uid(event), event.time, body.uid, owner.via)
        what = launches.launched(self._remembered(origin), body, cause)
        if what is not None and what.by_atd:
            self._judge_again(origin, lambda run: run.by == "at")

    def ended(self, body: process.Exit) -> Person | None:
        """Return whose a process was, and forget it."""
        if self.host is None or body.pid not in self.host.processes:
            return None
        return jobs.behind(self.host.processes.pop(body.pid), body.start, body.session)

    def written(self, origin: Origin, event: Event[Written], owner: jobs.Caused | None) -> None:
        """Learn who wrote one of cron's tables and scripts or at's jobs; a package is nobody."""
        body = event.body
        explained, path = body.explained_by, body.path or ""
        is_packaged = explained is not None and (explained.transaction or bool(explained.matches))
        host, cause = self._remembered(origin), None
        if owner is not None and not is_packaged:
            cause = jobs.Cause(owner.person, origin.uid(event), event.time, _owner(body), owner.via)
        is_seen = isinstance(body, state.Changed) and not is_packaged
        mark = jobs.Mark(event.time, event.seq, cause, path if is_seen else None)
        lines, gone = getattr(body, "added", None), getattr(body, "removed", None)
        schedules.written(host, path, mark, lines or (), gone or ())
        self._judge_again(origin, lambda run: schedules.concerns(run, path))

    def of(self, actor: Actor | process.Exec) -> jobs.Caused | None:
        """Return what caused a process, where that is known."""
        link = self.host.processes.get(actor.pid or 0) if self.host is not None else None
        if link is None or jobs.behind(link, actor.start, actor.session) is None:
            return None
        return link.caused

    def rename(self) -> None:
        """Let what was caused be whose the sessions are that were just named anew."""
        named, self._sessions.named = self._sessions.named, []
        for name in named:
            session = self._sessions.get(name)
            host = self._hosts.get(session.agent) if session is not None else None
            if session is not None and host is not None:
                jobs.rename(host, name, session.person)

    def _remembered(self, origin: Origin) -> jobs.Host:
        """Return what is remembered of the host, from now on if nothing was."""
        if self.host is None:
            self.host = jobs.Host(origin.boot)
            remember(self._hosts, origin.agent, self.host, HOSTS_LIMIT)
        return self.host

    def _launched(self, host: jobs.Host | None, event: Event[process.Exec]) -> jobs.Caused | None:
        """Return for whom systemd or a runtime started the process."""
        if host is None or event.body.session is not None or not host.launches:
            return None
        caused = launches.arrived(host, event.body, event.time)
        if caused is not None:
            jobs.link(host, event.body, caused)
        return caused

    def _ran(self, origin: Origin, event: Event[process.Exec]) -> jobs.Caused | None:
        """Return for whom cron or at started the process; who that is may become known later."""
        body = event.body
        run = schedules.ran(body, origin.uid(event), event.time, event.seq)
        if run is None:
            return None
        host = self._remembered(origin)
        run = msgspec.structs.replace(run, caused=schedules.caused(host, run))
        schedules.note(host, run)
        if run.caused is not None or run.session is None or not run.whole:
            jobs.link(host, body, run.caused, run.uid)
        if run.caused is not None:
            self._take_over(origin, run)
        return run.caused

    def _judge_again(self, origin: Origin, concerns: Callable[[jobs.Ran], bool]) -> None:
        """Let what ran already be that of its cause as it is known by now."""
        host = self._remembered(origin)
        for at, run in enumerate(host.ran):
            caused = schedules.caused(host, run) if concerns(run) else run.caused
            if caused != run.caused:
                host.ran[at] = now = msgspec.structs.replace(run, caused=caused)
                jobs.resolve(host, run.uid, caused)
                self._take_over(origin, now)

    def _take_over(self, origin: Origin, run: jobs.Ran) -> None:
        """Let a session that cron or at opened be its cause's."""
        if run.session is None or not run.whole:
            return
        name, caused = origin.key(run.session), run.caused
        if caused is None:
            if self._sessions.get(name) is not None:
                self._sessions.link(name, None)
        else:
            who = caused.person
            if self._sessions.get(name) is None:
                self._sessions.make(origin, run.session, who.name).opened = run.time
            start = Hop(origin.agent, origin.host, origin.boot, None, who.name, who.how)
            self._sessions.link(name, Link("job", caused.how, caused.via, who, caused.because, start))
        self.rename()


def _owner(body: Body) -> int | None:
    """Return the user id of the file that a body tells of; for an at job the state has it as a line."""
    if isinstance(body, state.Changed):
        said = (line.removeprefix("uid ") for line in body.added if line.startswith("uid "))
        return next((int(text) for text in said if text.isdecimal() and len(text) < _DIGITS), None)
    return getattr(getattr(body, "after", None), "uid", None)
