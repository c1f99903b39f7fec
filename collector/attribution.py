"""Who is behind an event: the login identity, joined with the login that made it, or with what led to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from evidence.event import Event
from evidence.kind import Actor, Body
from evidence.kinds import connection, file, login, process, state

from . import hops, jobs, sessions
from .bounded import remember
from .crossings import Crossings
from .organisation import Known, Organisation
from .record import Hop, Origin, Person, SessionRevision
from .rule import Parameter
from .sessions import SESSIONS_LIMIT, Link, Session, Sessions

HOSTS_LIMIT = 20_000
PEOPLE_FROM_UID = 1000
NOBODY = 65_534
_DIGITS = 11
"""More than a user id has."""
_UNNAMED_LIMIT = 64
SSH_PORTS = Parameter("ssh_ports", "22", "ports", "connections to these may lead to a login on another host")
"""Of what the settings call the rule ``attribution``."""


class State(msgspec.Struct):
    """Everything attribution remembers; keys are joined with ``|``. Oldest goes first when full.

    accepted has uids of logins, opened keys of sessions, by the pid of the service's process. unnamed has
    keys of sessions whose user id has no name yet.
    """

    sessions: sessions.State = msgspec.field(default_factory=sessions.State)
    hops: hops.State = msgspec.field(default_factory=hops.State)
    accepted: dict[str, str] = {}
    opened: dict[str, str] = {}
    names: dict[str, str] = {}
    unnamed: dict[str, list[str]] = {}
    hosts: dict[str, jobs.Host] = {}


class Attribution:
    """Fills in persons, event by event. ssh_ports are those where sshd listens."""

    def __init__(self, known: Known | None = None, ssh_ports: frozenset[int] = frozenset({22})) -> None:
        self._known_to_us = known or Known(Organisation())
        self._ports = ssh_ports
        self._origin: Origin | None = None
        self._host: jobs.Host | None = None
        self._take(State())
        self._learn: dict[type[Body], Callable[[Origin, Event[Any]], Person | None]] = {
            login.Accepted: self._accepted,
            login.SessionOpen: self._session_open,
            login.SessionClose: self._session_close,
            connection.Open: self._connected,
            connection.Report: self._carried,
            connection.Close: self._disconnected,
            process.Exit: self._exit,
            process.IdentityChanged: self._identity_changed,
            **dict.fromkeys((file.Create, file.Change, file.Rename, state.Changed), self._written),
        }

    def know(self, known: Known) -> None:
        """Take what the operator says from now on; who is named already stays until something is learnt."""
        self._known_to_us = self._sessions.known = known

    def attribute(self, origin: Origin, event: Event[Body]) -> Person | None:
        """Learn from the event, and return its person where one is known."""
        if origin is not self._origin:
            self._enter(origin)
        body = event.body
        if isinstance(body, process.Exec):
            return self._exec(origin, event, body)
        learn = self._learn.get(type(body))
        if learn is not None:
            found = learn(origin, event)
            if found is not None:
                return found
        return self._person(origin, body)

    def revisions(self, now: int) -> list[SessionRevision]:
        """Return the sessions of which there is something new to tell; now is the ledger's time (UTC ns)."""
        return self._sessions.revisions(now)

    def load(self, state: State) -> None:
        """Take a state that was kept."""
        self._take(state)
        self._origin = self._host = None

    def _take(self, state: State) -> None:
        self.state = state
        self._sessions = Sessions(state.sessions, self._known_to_us)
        self._crossings = Crossings(state.hops, self._sessions, self._ports)

    def _settle(self) -> None:
        """Let what was caused on a host be whose the sessions are that were just named anew."""
        named, self._sessions.named = self._sessions.named, []
        for key in named:
            session = self._sessions.get(key)
            host = self.state.hosts.get(session.agent) if session is not None else None
            if session is not None and host is not None:
                jobs.rename(host, key, session.person)

    def _enter(self, origin: Origin) -> None:
        """Look up what is remembered of the host whose batch begins; processes do not outlive a boot."""
        self._origin = origin
        self._host = host = self.state.hosts.get(origin.agent)
        if host is not None and host.boot != origin.boot:
            host.boot = origin.boot
            host.launches = []
            host.processes = {}

    def _remembered(self, origin: Origin) -> jobs.Host:
        """Return what is remembered of the host, from now on if nothing was."""
        if self._host is None:
            self._host = jobs.Host(origin.boot)
            remember(self.state.hosts, origin.agent, self._host, HOSTS_LIMIT)
        return self._host

    def _person(self, origin: Origin, body: Body) -> Person | None:
        who = getattr(body, "actor", body)
        if who is None:
            return None
        session, auid = getattr(who, "session", None), getattr(who, "auid", None)
        if self._host is not None and self._host.processes:
            link = self._host.processes.get(getattr(who, "pid", None) or 0)
            caused = jobs.behind(link, getattr(who, "start", None), session) if link is not None else None
            if caused is not None:
                return caused
        return self._known(origin, body, session, auid)

    def _known(self, origin: Origin, body: Body, session: int | None, auid: int | None) -> Person | None:
        """Return whose the login identity is, or what else the event itself says."""
        if session is not None:
            known = self.state.sessions.sessions.get(_key(origin, session))
            if known is not None:
                return known.person
        if auid is not None:
            return Person(self._name_of(origin, auid), "kernel", session)
        return self._by_uid(origin, getattr(body, "actor", body))

    def _by_uid(self, origin: Origin, who: Body | Actor) -> Person | None:
        """Where the host has no login identity, a person's own uid is the best that is known."""
        uid = getattr(who, "uid", None)
        if uid is None or uid < PEOPLE_FROM_UID or uid == NOBODY:
            return None
        return Person(self._name_of(origin, uid), "uid")

    def _name_of(self, origin: Origin, uid: int) -> str:
        name = self.state.names.get(f"{origin.agent}|{uid}")
        return sessions.account(self._known_to_us, name, None, None) if name else f"uid {uid}"

    def _learn_name(self, origin: Origin, uid: int, name: str) -> None:
        key = f"{origin.agent}|{uid}"
        if self.state.names.get(key) == name:
            return
        remember(self.state.names, key, name, SESSIONS_LIMIT)
        for unnamed in self.state.unnamed.pop(key, ()):
            session = self._sessions.get(unnamed)
            if session is not None and session.program is None:
                session.user = name
                self._sessions.rename(unnamed)
        self._settle()

    def _accepted(self, origin: Origin, event: Event[login.Accepted]) -> Person:
        body = event.body
        seen = self._crossings.accepted(origin, event)
        if body.pid is not None:
            remember(self.state.accepted, _key(origin, body.pid), seen.uid, SESSIONS_LIMIT)
        key = _key(origin, body.session) if body.session is not None else None
        if key is None and body.pid is not None:
            key = self.state.opened.get(_key(origin, body.pid))
        elif key is not None and self._sessions.get(key) is None:
            key = self._open(origin, event, body.session or 0)
        session = self._sessions.get(key) if key is not None else None
        if key is not None and session is not None:
            self._join(key, session, seen)
        self._crossings.judge(seen)
        self._settle()
        return session.person if session is not None else self._crossings.behind(seen)

    def _session_open(self, origin: Origin, event: Event[login.SessionOpen]) -> None:
        body = event.body
        if body.auid is not None:
            self._learn_name(origin, body.auid, body.user)
        if body.session is None:
            return
        key = _key(origin, body.session)
        known = self._sessions.get(key)
        if known is not None and (known.program is not None or known.link is not None):
            return  # su and sudo open PAM sessions inside the one that the login made; the person stays
        self._open(origin, event, body.session)
        if body.pid is not None:
            remember(self.state.opened, _key(origin, body.pid), key, SESSIONS_LIMIT)
            seen = self._crossings.login(self.state.accepted.get(_key(origin, body.pid)))
            if seen is not None:
                self._join(key, self.state.sessions.sessions[key], seen)
        self._settle()

    def _open(self, origin: Origin, event: Event[login.Accepted | login.SessionOpen], number: int) -> str:
        """Take in a session that a login service opened."""
        body, key = event.body, _key(origin, number)
        session = self._sessions.get(key) or self._made(origin, number, body.user)
        session.user, session.program, session.opened = body.user, body.program, event.time
        session.evidence = (origin.uid(event),)
        session.source = body.source.ip if body.source else None
        self._sessions.tell(key)
        self._sessions.rename(key)
        return key

    def _made(self, origin: Origin, number: int, user: str) -> Session:
        """Return a session of which nothing else is known yet, taken in."""
        person = Person(sessions.account(self._known_to_us, user, None, None), "kernel", number)
        session = Session(origin.agent, origin.boot, number, origin.host, user, person, skew=origin.skew)
        self._sessions.add(session)
        return session

    def _join(self, key: str, session: Session, seen: hops.Login) -> None:
        """Let a session be the one that a login opened."""
        seen.session = key
        session.user, session.fingerprint = seen.user, seen.fingerprint
        session.source = seen.source[0] if seen.source is not None else session.source
        session.evidence = tuple(dict.fromkeys((seen.uid, *session.evidence)))
        self._sessions.tell(key)
        self._sessions.rename(key)
        self._crossings.apply(key, seen)

    def _session_close(self, origin: Origin, event: Event[login.SessionClose]) -> None:
        body = event.body
        key = _key(origin, body.session) if body.session is not None else None
        known = self._sessions.get(key) if key is not None else None
        if key is not None and known is not None and known.program == body.program:
            known.closed = event.time
            self._sessions.tell(key)

    def _connected(self, origin: Origin, event: Event[connection.Open | connection.Close]) -> None:
        """Take in a connection that may lead to another host's session, or brought one of this host."""
        body = event.body
        if self._crossings.concerns(body):
            owner = self._owner(origin, body.actor) if body.direction == "out" and body.actor else None
            self._crossings.connected(origin, event, owner)
            self._settle()

    def _owner(self, origin: Origin, actor: Actor) -> jobs.Caused | None:
        """Return whose an actor is, by which session or cause; of a job with its own session, by that."""
        key = _key(origin, actor.session) if actor.session is not None else None
        session = self._sessions.get(key) if key is not None else None
        caused = self._cause_of(actor)
        if caused is not None and (session is None or session.link is None):
            return caused
        if actor.session is None:
            person = self._by_uid(origin, actor)
            return jobs.Caused(person, "hop", None) if person is not None else None
        if session is None and actor.auid is not None:
            session = self._unseen(origin, actor.session, actor.auid)
        return jobs.Caused(session.person, "hop", key) if session is not None else None

    def _unseen(self, origin: Origin, number: int, auid: int) -> Session:
        """Return a session whose login nobody saw, taken in by the name of its login uid."""
        place = f"{origin.agent}|{auid}"
        name = self.state.names.get(place)
        if name is None:
            waiting = [*self.state.unnamed.get(place, []), _key(origin, number)]
            remember(self.state.unnamed, place, waiting[-_UNNAMED_LIMIT:], SESSIONS_LIMIT)
        return self._made(origin, number, name or f"uid {auid}")

    def _disconnected(self, origin: Origin, event: Event[connection.Close]) -> Person | None:
        self._connected(origin, event)
        return self._carried(origin, event)

    def _carried(self, origin: Origin, event: Event[connection.Report | connection.Close]) -> Person | None:
        """Add a connection's bytes to those of the session it belongs to, and return that one's person."""
        body = event.body
        number = body.actor.session if body.actor is not None else None
        if number is None or (body.bytes_out is None and body.bytes_in is None):
            return None
        out, into, flow = body.bytes_out or 0, body.bytes_in or 0, None
        if type(body) is connection.Report or sessions.may_be_reported(out, into, body.duration):
            flow = f"{origin.agent}|{origin.boot}|{body.flow}"
        session = self._sessions.count(_key(origin, number), flow, out, into, origin.received)
        if session is None or (self._host is not None and self._host.processes):
            return None
        return session.person

    def _exec(self, origin: Origin, event: Event[Any], body: process.Exec) -> Person | None:
        if body.login is not None and body.auid is not None:
            self._learn_name(origin, body.auid, body.login)
        if body.user is not None and body.uid is not None and body.uid >= PEOPLE_FROM_UID:
            self._learn_name(origin, body.uid, body.user)
        role, host = jobs.role(body.exe), self._host
        if host is not None:
            person = self._linked(host, role, origin, event)
            if person is not None:
                return person
        person = self._known(origin, body, body.session, body.auid)
        if role == "asks" and person is not None:
            cause = jobs.Cause(
                person, origin.uid(event), event.time, body.uid, self._within(origin, body.session)
            )
            jobs.launched(self._remembered(origin), body, cause)
        return person

    def _within(self, origin: Origin, number: int | None) -> str | None:
        """Return the key of a session that is known."""
        key = _key(origin, number) if number is not None else None
        return key if key is not None and key in self.state.sessions.sessions else None

    def _linked(
        self, host: jobs.Host, role: jobs.Role | None, origin: Origin, event: Event[process.Exec]
    ) -> Person | None:
        """Return whose a process is by its parent's link, or by what started it, and link it."""
        body = event.body
        caused = jobs.inherited(host.processes, body) if host.processes else None
        if caused is None and (role == "runs" or body.session is None):
            caused = self._caused(host, role, origin, event)
        if caused is None:
            return None
        jobs.link(host, body, caused)
        return caused.person

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
        key = _key(origin, number)
        session = self._sessions.get(key)
        if session is None:
            session = self._made(origin, number, caused.person.name)
            session.program, session.opened = "cron", time
        start = Hop(origin.agent, origin.host, origin.boot, None, caused.person.name, caused.person.how)
        self._sessions.link(key, Link("job", caused.how, caused.via, caused.person, caused.because, start))
        self._settle()

    def _exit(self, _origin: Origin, event: Event[process.Exit]) -> Person | None:
        host, body = self._host, event.body
        if host is None or body.pid not in host.processes:
            return None
        return jobs.behind(host.processes.pop(body.pid), body.start, body.session)

    def _written(
        self, origin: Origin, event: Event[file.Create | file.Change | file.Rename | state.Changed]
    ) -> None:
        """Learn who wrote one of cron's tables and scripts or at's jobs; a package is nobody."""
        body = event.body
        if body.path is None or not body.path.startswith(jobs.TABLES):
            return
        explained = body.explained_by
        is_packaged = explained is not None and (explained.transaction or bool(explained.matches))
        person = None if is_packaged else self._person(origin, body)
        host = self._remembered(origin)
        cause = None
        if person is not None:
            cause = jobs.Cause(person, origin.uid(event), event.time, _owner(body), self._via(origin, body))
        if isinstance(body, state.Changed) and not is_packaged and cause is None:
            cause = jobs.just_written(host, body.path, event.time)
        lines, gone = getattr(body, "added", None), getattr(body, "removed", None)
        jobs.written(host, body.path, cause, lines or (), gone or ())

    def _via(self, origin: Origin, body: Body) -> str | None:
        """Return the key of the session an actor belongs to, or whose job it is part of."""
        actor: Actor | None = getattr(body, "actor", None)
        if actor is None:
            return None
        caused = self._cause_of(actor)
        return self._within(origin, actor.session) if caused is None else caused.via

    def _cause_of(self, actor: Actor) -> jobs.Caused | None:
        """Return what caused a process, where that is known."""
        link = self._host.processes.get(actor.pid or 0) if self._host is not None else None
        if link is None or jobs.behind(link, actor.start, actor.session) is None:
            return None
        return link.caused

    def _identity_changed(self, origin: Origin, event: Event[process.IdentityChanged]) -> Person | None:
        """The person stays the former: the new session is the former one's."""
        body = event.body
        if body.actor.session is None:
            return None
        via = self._within(origin, body.former_session)
        former = self._sessions.get(via) if via is not None else None
        if former is not None:
            person, user = former.person, former.user
        elif body.former_auid is not None:
            user = self._name_of(origin, body.former_auid)
            person = Person(user, "kernel", body.former_session)
        else:
            return None
        key = _key(origin, body.actor.session)
        if self._sessions.get(key) is None:
            self._made(origin, body.actor.session, user).opened = event.time
        self._sessions.link(key, Link("former", person.how, via, person, (origin.uid(event),)))
        self._settle()
        return person


def _key(origin: Origin, number: int) -> str:
    """Return the key of a session, or of a process, of the host."""
    return f"{origin.agent}|{origin.boot}|{number}"


def _owner(body: Body) -> int | None:
    """Return the user id of the file that a body tells of; for an at job the state has it as a line."""
    if isinstance(body, state.Changed):
        said = (line.removeprefix("uid ") for line in body.added if line.startswith("uid "))
        return next((int(text) for text in said if text.isdecimal() and len(text) < _DIGITS), None)
    return getattr(getattr(body, "after", None), "uid", None)
