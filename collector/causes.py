"""What cron, at, systemd and container runtimes start on all hosts, and the sessions that leads from and to.

The glue between `jobs`, which finds the cause on one host, and `sessions`, which names persons.
"""

from __future__ import annotations

from evidence.event import Event
from evidence.kind import Actor, Body
from evidence.kinds import file, process, state

from . import jobs
from .bounded import remember
from .record import Hop, Origin, Person
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
            host.launches = []
            host.processes = {}

    def started(self, origin: Origin, event: Event[process.Exec], role: jobs.Role | None) -> Person | None:
        """Return whose a process is by its parent's link, or by what started it, and link it."""
        host, body = self.host, event.body
        if host is None:
            return None
        caused = jobs.inherited(host.processes, body) if host.processes else None
        if caused is None and (role == "runs" or body.session is None):
            caused = self._caused(host, role, origin, event)
        if caused is None:
            return None
        jobs.link(host, body, caused)
        return caused.person

    def asked(self, origin: Origin, event: Event[process.Exec], person: Person) -> None:
        """Note what a person asked cron, at, systemd or a runtime for."""
        body = event.body
        via = self._within(origin, body.session)
        cause = jobs.Cause(person, origin.uid(event), event.time, body.uid, via)
        jobs.launched(self._remembered(origin), body, cause)

    def ended(self, body: process.Exit) -> Person | None:
        """Return whose a process was, and forget it."""
        if self.host is None or body.pid not in self.host.processes:
            return None
        return jobs.behind(self.host.processes.pop(body.pid), body.start, body.session)

    def written(self, origin: Origin, event: Event[Written], person: Person | None) -> None:
        """Learn who wrote one of cron's tables and scripts or at's jobs; a package is nobody."""
        body = event.body
        explained = body.explained_by
        is_packaged = explained is not None and (explained.transaction or bool(explained.matches))
        host, cause = self._remembered(origin), None
        if person is not None and not is_packaged:
            via = self.via(origin, body.actor)
            cause = jobs.Cause(person, origin.uid(event), event.time, _owner(body), via)
        if isinstance(body, state.Changed) and not is_packaged and cause is None:
            cause = jobs.just_written(host, body.path or "", event.time)
        lines, gone = getattr(body, "added", None), getattr(body, "removed", None)
        jobs.written(host, body.path or "", cause, lines or (), gone or ())

    def of(self, actor: Actor) -> jobs.Caused | None:
        """Return what caused a process, where that is known."""
        link = self.host.processes.get(actor.pid or 0) if self.host is not None else None
        if link is None or jobs.behind(link, actor.start, actor.session) is None:
            return None
        return link.caused

    def via(self, origin: Origin, actor: Actor | None) -> str | None:
        """Return the key of the session an actor belongs to, or whose job it is part of."""
        if actor is None:
            return None
        caused = self.of(actor)
        return self._within(origin, actor.session) if caused is None else caused.via

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

    def _caused(
        self, host: jobs.Host, role: jobs.Role | None, origin: Origin, event: Event[process.Exec]
    ) -> jobs.Caused | None:
        """Return for whom cron, at, systemd or a runtime started the process."""
        body, caused = event.body, None
        if body.session is None and host.launches:
            caused = jobs.arrived(host, body, event.time)
        if caused is None and role == "runs" and (host.written or host.launches):
            caused = jobs.scheduled(host, body, event.time)
            if caused is not None and body.session is not None and jobs.is_whole_session(body):
                self._take_over(origin, body.session, caused, event.time)
        return caused

    def _take_over(self, origin: Origin, number: int, caused: jobs.Caused, time: int) -> None:
        """Let a session that cron or at opened be its cause's."""
        name, who = origin.key(number), caused.person
        if self._sessions.get(name) is None:
            session = self._sessions.make(origin, number, who.name)
            session.program, session.opened = "cron", time
        start = Hop(origin.agent, origin.host, origin.boot, None, who.name, who.how)
        self._sessions.link(name, Link("job", caused.how, caused.via, who, caused.because, start))
        self.rename()

    def _within(self, origin: Origin, number: int | None) -> str | None:
        name = origin.key(number) if number is not None else None
        return name if name is not None and self._sessions.get(name) is not None else None


def _owner(body: Body) -> int | None:
    """Return the user id of the file that a body tells of; for an at job the state has it as a line."""
    if isinstance(body, state.Changed):
        said = (line.removeprefix("uid ") for line in body.added if line.startswith("uid "))
        return next((int(text) for text in said if text.isdecimal() and len(text) < _DIGITS), None)
    return getattr(getattr(body, "after", None), "uid", None)
