"""Who is behind an event: the login identity, joined with the login that made it, or with a job's cause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from evidence.event import Event
from evidence.kind import Actor, Body
from evidence.kinds import file, login, process, state

from . import jobs
from .bounded import remember
from .record import NOT_INTERACTIVE, How, Origin, Person

SESSIONS_LIMIT = 100_000
HOSTS_LIMIT = 20_000
PEOPLE_FROM_UID = 1000
NOBODY = 65_534
_DIGITS = 11
"""More than a user id has."""


class Session(msgspec.Struct):
    """One audit session of one host: who opened it, how, and the events that show it."""

    person: Person
    user: str
    program: str | None = None
    opened: int | None = None
    closed: int | None = None
    evidence: tuple[str, ...] = ()


class Login(msgspec.Struct, frozen=True):
    """An accepted login that waits for its session, by the pid of the service's process."""

    user: str
    source: str | None
    fingerprint: str | None
    uid: str


class State(msgspec.Struct):
    """Everything attribution remembers; keys are joined with ``|``. Oldest goes first when full."""

    sessions: dict[str, Session] = {}
    accepted: dict[str, Login] = {}
    opened: dict[str, str] = {}
    names: dict[str, str] = {}
    hosts: dict[str, jobs.Host] = {}


class Attribution:
    """Fills in persons, event by event. people maps accounts and key fingerprints to a person's name."""

    def __init__(self, people: dict[str, str]) -> None:
        self.state = State()
        self._people = people
        self._origin: Origin | None = None
        self._host: jobs.Host | None = None
        self._learn: dict[type[Body], Callable[[Origin, Event[Any]], Person | None]] = {
            login.Accepted: self._accepted,
            login.SessionOpen: self._session_open,
            login.SessionClose: self._session_close,
            process.Exit: self._exit,
            process.IdentityChanged: self._identity_changed,
            **dict.fromkeys((file.Create, file.Change, file.Rename, state.Changed), self._written),
        }

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

    def name(self, people: dict[str, str]) -> None:
        """Take accounts and key fingerprints anew, for what comes from now on."""
        self._people = people

    def load(self, state: State) -> None:
        """Take a state that was kept."""
        self.state = state
        self._origin = self._host = None

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
            known = self.state.sessions.get(_key(origin, session))
            if known is not None:
                return known.person
        if auid is not None:
            return Person(self._name_of(origin, auid), "kernel", session)
        if isinstance(body, login.Accepted):
            how: How = "key" if body.fingerprint else "inferred"
            source = body.source.ip if body.source else None
            return Person(self._called(body.user, body.fingerprint), how, None, source, body.fingerprint)
        return self._by_uid(origin, getattr(body, "actor", body))

    def _by_uid(self, origin: Origin, who: Body | Actor) -> Person | None:
        """Where the host has no login identity, a person's own uid is the best that is known."""
        uid = getattr(who, "uid", None)
        if uid is None or uid < PEOPLE_FROM_UID or uid == NOBODY:
            return None
        return Person(self._name_of(origin, uid), "uid")

    def _name_of(self, origin: Origin, uid: int) -> str:
        name = self.state.names.get(f"{origin.agent}|{uid}")
        return self._called(name, None) if name else f"uid {uid}"

    def _learn_name(self, origin: Origin, uid: int, name: str) -> None:
        key = f"{origin.agent}|{uid}"
        if self.state.names.get(key) != name:
            remember(self.state.names, key, name, SESSIONS_LIMIT)

    def _called(self, user: str, fingerprint: str | None) -> str:
        by_key = self._people.get(fingerprint) if fingerprint else None
        return by_key or self._people.get(user, user)

    def _accepted(self, origin: Origin, event: Event[login.Accepted]) -> None:
        body = event.body
        source = body.source.ip if body.source else None
        seen = Login(body.user, source, body.fingerprint, origin.uid(event))
        if body.session is not None:
            self._open(origin, event, seen, body.session)
        elif body.pid is not None:
            key = _key(origin, body.pid)
            remember(self.state.accepted, key, seen, SESSIONS_LIMIT)
            session = self.state.opened.get(key)
            if session is not None and session in self.state.sessions:
                self._join(self.state.sessions[session], seen)

    def _session_open(self, origin: Origin, event: Event[login.SessionOpen]) -> None:
        body = event.body
        if body.auid is not None:
            self._learn_name(origin, body.auid, body.user)
        if body.session is None:
            return
        key = _key(origin, body.session)
        known = self.state.sessions.get(key)
        if known is not None and known.program is not None:
            return  # su and sudo open PAM sessions inside the one that the login made; the person stays
        seen = None
        if body.pid is not None:
            remember(self.state.opened, _key(origin, body.pid), key, SESSIONS_LIMIT)
            seen = self.state.accepted.get(_key(origin, body.pid))
        source = body.source.ip if body.source else None
        seen = seen or Login(body.user, source, None, origin.uid(event))
        self._open(origin, event, seen, body.session)

    def _open(
        self, origin: Origin, event: Event[login.Accepted | login.SessionOpen], seen: Login, session: int
    ) -> None:
        program = event.body.program
        fresh = Session(
            Person(
                self._called(seen.user, seen.fingerprint),
                "kernel",
                session,
                seen.source,
                seen.fingerprint,
                scheduler=program if program in NOT_INTERACTIVE else None,
            ),
            seen.user,
            program,
            event.time,
            evidence=tuple(dict.fromkeys((seen.uid, origin.uid(event)))),
        )
        remember(self.state.sessions, _key(origin, session), fresh, SESSIONS_LIMIT)

    def _join(self, session: Session, seen: Login) -> None:
        name = self._called(seen.user, seen.fingerprint)
        former = session.person
        session.person = Person(
            name, "kernel", former.session, seen.source, seen.fingerprint, scheduler=former.scheduler
        )
        session.evidence = (seen.uid, *session.evidence)

    def _session_close(self, origin: Origin, event: Event[login.SessionClose]) -> None:
        body = event.body
        known = self.state.sessions.get(_key(origin, body.session)) if body.session is not None else None
        if known is not None and known.program == body.program:
            known.closed = event.time

    def _exec(self, origin: Origin, event: Event[Any], body: process.Exec) -> Person | None:
        if body.login is not None and body.auid is not None:
            self._learn_name(origin, body.auid, body.login)
        if body.user is not None and body.uid is not None and body.uid >= PEOPLE_FROM_UID:
            self._learn_name(origin, body.uid, body.user)
        role, host = jobs.role(body.exe), self._host
        if host is not None:
            person = jobs.inherited(host.processes, body) if host.processes else None
            if person is None and (role == "runs" or body.session is None):
                person = self._caused(host, role, origin, event)
            if person is not None:
                jobs.link(host, body, person)
                return person
        person = self._known(origin, body, body.session, body.auid)
        if role == "asks" and person is not None:
            cause = jobs.Cause(person, origin.uid(event), event.time, body.uid)
            jobs.launched(self._remembered(origin), body, cause)
        return person

    def _caused(
        self, host: jobs.Host, role: jobs.Role | None, origin: Origin, event: Event[process.Exec]
    ) -> Person | None:
        """Return the person for whom cron, at, systemd or a runtime started the process."""
        body, person = event.body, None
        if body.session is None and host.launches:
            person = jobs.arrived(host, body, event.time)
        if person is None and role == "runs" and (host.written or host.launches):
            person = jobs.scheduled(host, body, event.time)
            if person is not None and body.session is not None and jobs.is_whole_session(body):
                self._take_over(origin, body.session, person, event.time)
        return person

    def _take_over(self, origin: Origin, number: int, person: Person, time: int) -> None:
        """Let a session that cron or at opened be its cause's."""
        key = _key(origin, number)
        known = self.state.sessions.get(key) or Session(person, person.name, "cron", time)
        known.person = person
        known.evidence = (*person.because, *known.evidence)
        remember(self.state.sessions, key, known, SESSIONS_LIMIT)

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
        cause = None if person is None else jobs.Cause(person, origin.uid(event), event.time, _owner(body))
        if isinstance(body, state.Changed) and not is_packaged and cause is None:
            cause = jobs.just_written(host, body.path, event.time)
        lines, gone = getattr(body, "added", None), getattr(body, "removed", None)
        jobs.written(host, body.path, cause, lines or (), gone or ())

    def _identity_changed(self, origin: Origin, event: Event[process.IdentityChanged]) -> None:
        """The person stays the former: the new session is the former one's."""
        body = event.body
        if body.actor.session is None:
            return
        former = None
        if body.former_session is not None:
            former = self.state.sessions.get(_key(origin, body.former_session))
        if former is None and body.former_auid is not None:
            name = self._name_of(origin, body.former_auid)
            former = Session(Person(name, "kernel", body.former_session), name)
        if former is not None:
            remember(self.state.sessions, _key(origin, body.actor.session), former, SESSIONS_LIMIT)


def _key(origin: Origin, number: int) -> str:
    return f"{origin.agent}|{origin.boot}|{number}"


def _owner(body: Body) -> int | None:
    """Return the user id of the file that a body tells of; for an at job the state has it as a line."""
    if isinstance(body, state.Changed):
        said = (line.removeprefix("uid ") for line in body.added if line.startswith("uid "))
        return next((int(text) for text in said if text.isdecimal() and len(text) < _DIGITS), None)
    return getattr(getattr(body, "after", None), "uid", None)
