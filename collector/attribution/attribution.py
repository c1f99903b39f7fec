"""Who is behind an event: the login identity, joined with the login that made it, or with what led to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from evidence.event import Event
from evidence.kind import Actor, Body
from evidence.kinds import connection, file, login, process, state

from ..bounded import remember
from ..organisation.known import Known, Organisation
from ..record import Origin, Person, SessionRevision
from ..rule import Parameter
from . import causes, hops, jobs, sessions
from .causes import Causes
from .crossings import Crossings
from .logins import Logins
from .sessions import SESSIONS_LIMIT, Link, Session, Sessions

PEOPLE_FROM_UID = 1000
NOBODY = 65_534
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
        self._called: dict[int, str] = {}
        self._by_auid: dict[tuple[int | None, int], Person] = {}
        self._keys: dict[int, str] = {}
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
        self._called, self._by_auid = {}, {}

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

    def _take(self, state: State) -> None:
        self.state = state
        self._sessions = Sessions(state.sessions, self._known_to_us)
        self._crossings = Crossings(state.hops, self._sessions, self._ports)
        self._logins = Logins(state.accepted, state.opened, self._sessions, self._crossings)
        self._causes = Causes(state.hosts, self._sessions)
        self._origin: Origin | None = None
        self._called, self._by_auid = {}, {}

    def _enter(self, origin: Origin) -> None:
        self._origin = origin
        self._called, self._by_auid, self._keys = {}, {}, {}
        self._causes.enter(origin)

    def _person(self, origin: Origin, body: Body) -> Person | None:
        who = getattr(body, "actor", body)
        if who is None:
            return None
        session, auid = getattr(who, "session", None), getattr(who, "auid", None)
        host = self._causes.host
        if host is not None and host.processes:
            link = host.processes.get(getattr(who, "pid", None) or 0)
            caused = jobs.behind(link, getattr(who, "start", None), session) if link is not None else None
            if caused is not None:
                return caused
        return self._known(origin, body, session, auid)

    def _known(self, origin: Origin, body: Body, session: int | None, auid: int | None) -> Person | None:
        """Return whose the login identity is, or what else the event itself says."""
        if session is not None:
            key = self._keys.get(session)
            if key is None:
                key = self._keys[session] = origin.key(session)
            known = self.state.sessions.sessions.get(key)
            if known is not None:
                return known.person
        if auid is not None:
            named = self._by_auid.get((session, auid))
            if named is None:
                named = self._by_auid[session, auid] = Person(self._name_of(origin, auid), "kernel", session)
            return named
        return self._by_uid(origin, getattr(body, "actor", body))

    def _by_uid(self, origin: Origin, who: Body | Actor) -> Person | None:
        """Where the host has no login identity, a person's own uid is the best that is known."""
        uid = getattr(who, "uid", None)
        if uid is None or uid < PEOPLE_FROM_UID or uid == NOBODY:
            return None
        return Person(self._name_of(origin, uid), "uid")

    def _name_of(self, origin: Origin, uid: int) -> str:
        """Return what a user id is called on the host whose batch is under way."""
        called = self._called.get(uid)
        if called is None:
            name = self.state.names.get(f"{origin.agent}|{uid}")
            called = sessions.account(self._known_to_us, name, None, None) if name else f"uid {uid}"
            self._called[uid] = called
        return called

    def _learn_name(self, origin: Origin, uid: int, name: str) -> None:
        key = f"{origin.agent}|{uid}"
        if self.state.names.get(key) == name:
            return
        remember(self.state.names, key, name, SESSIONS_LIMIT)
        self._called.pop(uid, None)
        self._by_auid = {}
        for unnamed in self.state.unnamed.pop(key, ()):
            session = self._sessions.get(unnamed)
            if session is not None and session.program is None:
                session.user = name
                self._sessions.rename(unnamed)
        self._causes.rename()

    def _accepted(self, origin: Origin, event: Event[login.Accepted]) -> Person:
        person = self._logins.accepted(origin, event)
        self._causes.rename()
        return person

    def _session_open(self, origin: Origin, event: Event[login.SessionOpen]) -> None:
        body = event.body
        if body.auid is not None:
            self._learn_name(origin, body.auid, body.user)
        if self._logins.opened(origin, event):
            self._causes.rename()

    def _session_close(self, origin: Origin, event: Event[login.SessionClose]) -> None:
        self._logins.closed(origin, event)

    def _connected(self, origin: Origin, event: Event[connection.Open | connection.Close]) -> None:
        """Take in a connection that may lead to another host's session, or brought one of this host."""
        body = event.body
        if self._crossings.concerns(body):
            owner = self._owner(origin, body.actor) if body.direction == "out" and body.actor else None
            self._crossings.connected(origin, event, owner)
            self._causes.rename()

    def _owner(self, origin: Origin, actor: Actor | process.Exec) -> jobs.Caused | None:
        """Return whose an actor is, by which session or cause; of a job with its own session, by that.

        A session that is not known yet is taken in: whose it turns out to be goes on to what it led to.
        """
        key = origin.key(actor.session) if actor.session is not None else None
        session = self._sessions.get(key) if key is not None else None
        caused = self._causes.of(actor)
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
            waiting = [*self.state.unnamed.get(place, []), origin.key(number)]
            remember(self.state.unnamed, place, waiting[-_UNNAMED_LIMIT:], SESSIONS_LIMIT)
        return self._sessions.make(origin, number, name or f"uid {auid}")

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
        session = self._sessions.count(origin.key(number), flow, out, into, origin.received)
        host = self._causes.host
        return None if session is None or (host is not None and host.processes) else session.person

    def _exec(self, origin: Origin, event: Event[Any], body: process.Exec) -> Person | None:
        if body.login is not None and body.auid is not None:
            self._learn_name(origin, body.auid, body.login)
        if body.user is not None and body.uid is not None and body.uid >= PEOPLE_FROM_UID:
            self._learn_name(origin, body.uid, body.user)
        role = jobs.role(body.exe)
        if self._causes.host is not None or role == "runs":
            person = self._causes.started(origin, event, role)
            if person is not None:
                return person
        if role == "asks" and (owner := self._owner(origin, body)) is not None:
            self._causes.asked(origin, event, owner)
        return self._known(origin, body, body.session, body.auid)

    def _exit(self, _origin: Origin, event: Event[process.Exit]) -> Person | None:
        return self._causes.ended(event.body)

    def _written(self, origin: Origin, event: Event[causes.Written]) -> None:
        body = event.body
        if body.path is not None and body.path.startswith(jobs.TABLES):
            owner = self._owner(origin, body.actor) if body.actor is not None else None
            self._causes.written(origin, event, owner)

    def _identity_changed(self, origin: Origin, event: Event[process.IdentityChanged]) -> Person | None:
        """The person stays the former: the new session is the former one's."""
        body = event.body
        if body.actor.session is None:
            return None
        via = origin.key(body.former_session) if body.former_session is not None else None
        former = self._sessions.get(via) if via is not None else None
        if former is not None:
            person, user = former.person, former.user
        elif body.former_auid is not None:
            user = self._name_of(origin, body.former_auid)
            person = Person(user, "kernel", body.former_session)
        else:
            return None
        key = origin.key(body.actor.session)
        if self._sessions.get(key) is None:
            self._sessions.make(origin, body.actor.session, user).opened = event.time
        self._sessions.link(
            key, Link("former", person.how, via if former else None, person, (origin.uid(event),))
        )
        self._causes.rename()
        return person
