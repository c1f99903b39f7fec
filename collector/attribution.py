"""Who is behind an event: the login identity, joined with the login that made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds import login, process

from .bounded import remember
from .record import How, Person, Record

SESSIONS_LIMIT = 100_000
PEOPLE_FROM_UID = 1000
NOBODY = 65_534
NOT_INTERACTIVE = frozenset({"cron", "crond", "CRON", "atd", "systemd", "systemd-user"})


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


class Attribution:
    """Fills in persons, event by event. people maps accounts and key fingerprints to a person's name."""

    def __init__(self, people: dict[str, str]) -> None:
        self.state = State()
        self._people = people
        self._learn: dict[type[Body], Callable[[Record, Any], None]] = {
            login.Accepted: self._accepted,
            login.SessionOpen: self._session_open,
            login.SessionClose: self._session_close,
            process.Exec: self._exec,
            process.IdentityChanged: self._identity_changed,
        }

    def attribute(self, record: Record) -> Record:
        """Learn from the record, and return it with its person where one is known."""
        body = record.event.body
        learn = self._learn.get(type(body))
        if learn is not None:
            learn(record, body)
        person = self._person(record, body)
        if person is None:
            return record
        return Record(
            record.agent,
            record.epoch,
            record.boot,
            record.host,
            record.index,
            record.received,
            record.event,
            person,
        )

    def session(self, record: Record) -> Session | None:
        """Return the session that record happened in, where it is known."""
        if record.person is None or record.person.session is None:
            return None
        return self.state.sessions.get(_key(record, record.person.session))

    def _person(self, record: Record, body: Body) -> Person | None:
        who = getattr(body, "actor", body)
        if who is None:
            return None
        session, auid = getattr(who, "session", None), getattr(who, "auid", None)
        if session is not None:
            known = self.state.sessions.get(_key(record, session))
            if known is not None:
                return known.person
        if auid is not None:
            return Person(self._name_of(record, auid), "kernel", session)
        if isinstance(body, login.Accepted):
            how: How = "key" if body.fingerprint else "inferred"
            source = body.source.ip if body.source else None
            return Person(self._called(body.user, body.fingerprint), how, None, source, body.fingerprint)
        return self._by_uid(record, who)

    def _by_uid(self, record: Record, who: Body | Actor) -> Person | None:
        """Where the host has no login identity, a person's own uid is the best that is known."""
        uid = getattr(who, "uid", None)
        if uid is None or uid < PEOPLE_FROM_UID or uid == NOBODY:
            return None
        return Person(self._name_of(record, uid), "uid")

    def _name_of(self, record: Record, uid: int) -> str:
        name = self.state.names.get(f"{record.agent}|{uid}")
        return self._called(name, None) if name else f"uid {uid}"

    def _called(self, user: str, fingerprint: str | None) -> str:
        by_key = self._people.get(fingerprint) if fingerprint else None
        return by_key or self._people.get(user, user)

    def _accepted(self, record: Record, body: login.Accepted) -> None:
        source = body.source.ip if body.source else None
        seen = Login(body.user, source, body.fingerprint, record.uid)
        if body.session is not None:
            self._open(record, body.session, seen, body.program)
        elif body.pid is not None:
            key = _key(record, body.pid)
            remember(self.state.accepted, key, seen, SESSIONS_LIMIT)
            session = self.state.opened.get(key)
            if session is not None and session in self.state.sessions:
                self._join(self.state.sessions[session], seen)

    def _session_open(self, record: Record, body: login.SessionOpen) -> None:
        if body.auid is not None:
            remember(self.state.names, f"{record.agent}|{body.auid}", body.user, SESSIONS_LIMIT)
        if body.session is None:
            return
        key = _key(record, body.session)
        known = self.state.sessions.get(key)
        if known is not None and known.program is not None:
            return  # su and sudo open PAM sessions inside the one that the login made; the person stays
        seen = None
        if body.pid is not None:
            remember(self.state.opened, _key(record, body.pid), key, SESSIONS_LIMIT)
            seen = self.state.accepted.get(_key(record, body.pid))
        source = body.source.ip if body.source else None
        self._open(record, body.session, seen or Login(body.user, source, None, record.uid), body.program)

    def _open(self, record: Record, session: int, seen: Login, program: str) -> None:
        fresh = Session(
            Person(
                self._called(seen.user, seen.fingerprint), "kernel", session, seen.source, seen.fingerprint
            ),
            seen.user,
            program,
            record.event.time,
            evidence=tuple(dict.fromkeys((seen.uid, record.uid))),
        )
        remember(self.state.sessions, _key(record, session), fresh, SESSIONS_LIMIT)

    def _join(self, session: Session, seen: Login) -> None:
        name = self._called(seen.user, seen.fingerprint)
        session.person = Person(name, "kernel", session.person.session, seen.source, seen.fingerprint)
        session.evidence = (seen.uid, *session.evidence)

    def _session_close(self, record: Record, body: login.SessionClose) -> None:
        known = self.state.sessions.get(_key(record, body.session)) if body.session is not None else None
        if known is not None and known.program == body.program:
            known.closed = record.event.time

    def _exec(self, record: Record, body: process.Exec) -> None:
        if body.login is not None and body.auid is not None:
            self.state.names[f"{record.agent}|{body.auid}"] = body.login
        if body.user is not None and body.uid is not None and body.uid >= PEOPLE_FROM_UID:
            self.state.names[f"{record.agent}|{body.uid}"] = body.user

    def _identity_changed(self, record: Record, body: process.IdentityChanged) -> None:
        """The person stays the former: the new session is the former one's."""
        if body.actor.session is None:
            return
        former = None
        if body.former_session is not None:
            former = self.state.sessions.get(_key(record, body.former_session))
        if former is None and body.former_auid is not None:
            name = self._name_of(record, body.former_auid)
            former = Session(Person(name, "kernel", body.former_session), name)
        if former is not None:
            remember(self.state.sessions, _key(record, body.actor.session), former, SESSIONS_LIMIT)


def is_interactive(session: Session | None) -> bool:
    """Return whether a person opened the session, rather than a schedule; unknown counts as a person."""
    return session is None or session.program not in NOT_INTERACTIVE


def _key(record: Record, number: int) -> str:
    return f"{record.agent}|{record.boot}|{number}"
