"""Sessions of one host that led to sessions of another: what connections and logins say, joined. Bounded.

The glue between `hops`, which finds the connection a login came by, and `sessions`, which names persons.
"""

from __future__ import annotations

import functools

from evidence.event import Event
from evidence.kinds.connection import Close, Open
from evidence.kinds.login import Accepted

from ..record import Hop, How, Origin, Person
from . import hops
from .hop_pairs import Call, Login
from .job_commands import base_name
from .jobs import WEAK, Caused
from .sessions import Link, Sessions, account

PROGRAMS = frozenset({"ssh", "sshd", "sshd-session", "dbclient", "plink"})
"""Programs whose connections may be ssh on any port; scp, sftp, rsync and git have ssh connect for them.

sshd's own are those of ProxyJump and of forwarded ports.
"""


class Crossings:
    """Joins what leaves one host with what is let in on another; ports are those where sshd listens."""

    def __init__(self, state: hops.State, sessions: Sessions, ports: frozenset[int]) -> None:
        self._state = state
        self._sessions = sessions
        self._ports = ports

    def concerns(self, body: Open | Close) -> bool:
        """Return whether a connection may lead to, or bring, a login."""
        if body.protocol != "tcp":
            return False
        if body.direction == "in":
            return body.local.port in self._ports or _is_program(body.actor.exe if body.actor else None)
        return body.remote.port in self._ports or _is_program(body.actor.exe if body.actor else None)

    def connected(self, origin: Origin, event: Event[Open | Close], owner: Caused | None) -> None:
        """Take in a connection; owner is whose it is, None of a service's."""
        body = event.body
        local = hops.place(body.local.ip, body.local.port)
        remote = hops.place(body.remote.ip, body.remote.port)
        if local[1] is None or remote[1] is None:
            return  # several in one event
        if body.direction == "in":
            self._relink(hops.served(self._state, origin.agent, remote, local))
            return
        began = event.time - origin.skew - (body.duration or 0 if isinstance(body, Close) else 0)
        call = Call(
            uid=origin.uid(event),
            at=began,
            agent=origin.agent,
            host=origin.host,
            boot=origin.boot,
            owner=owner,
            local=local,
            remote=remote,
            is_told_open=isinstance(body, Open),
            ended=event.time - origin.skew if isinstance(body, Close) else None,
            doubt=max(0, -origin.skew),
        )
        name = f"{origin.agent}|{origin.boot}|{body.flow}"
        self._relink(hops.called(self._state, name, call))

    def accepted(self, origin: Origin, event: Event[Accepted]) -> Login:
        """Take in a login; what it came by is judged once its session, where known, is told by `judge`."""
        body = event.body
        login = Login(
            uid=origin.uid(event),
            at=event.time - origin.skew,
            agent=origin.agent,
            boot=origin.boot,
            user=body.user,
            program=body.program,
            source=hops.place(body.source.ip, body.source.port) if body.source else None,
            local=hops.place(body.local.ip, body.local.port) if body.local else None,
            fingerprint=body.fingerprint,
            doubt=max(0, -origin.skew),
        )
        hops.accepted(self._state, login)
        return login

    def judge(self, login: Login) -> None:
        """Find out by which connection a login came, and what else that changes."""
        self._relink(hops.judged(self._state, login))

    def login(self, uid: str | None) -> Login | None:
        """Return a login by its event's uid, as long as it is remembered."""
        return self._state.logins.get(uid) if uid is not None else None

    def link(self, login: Login) -> Link | None:
        """Return what led to a login; None where that is nobody known."""
        call = self._state.calls.get(login.call) if login.call is not None else None
        owner = call.owner if call is not None else None
        if call is None or owner is None:
            return None
        how: How = "inferred" if login.is_inferred or owner.how in WEAK else "hop"
        because = (*owner.because, call.uid, login.uid)
        who = owner.person
        start = Hop(call.agent, call.host, call.boot, who.session, who.name, who.how)
        return Link("hop", how, owner.via, who, because, start)

    def behind(self, login: Login) -> Person:
        """Return who is behind a login whose session is not known yet."""
        source = login.source[0] if login.source is not None else None
        how: How = "key" if login.fingerprint else "inferred"
        name = account(self._sessions.known, login.user, login.fingerprint, source)
        own = Person(name, how, None, source, login.fingerprint)
        link = self.link(login)
        return own if link is None else self._sessions.linked(own, link)

    def _relink(self, logins: list[Login]) -> None:
        for login in logins:
            if login.session is not None and login.session in self._sessions.state.sessions:
                self.apply(login.session, login)

    def apply(self, name: str, login: Login) -> None:
        """Link a session as its login is; a link that is no hop stays."""
        session = self._sessions.state.sessions[name]
        if session.link is None or session.link.kind == "hop":
            self._sessions.link(name, self.link(login))


@functools.lru_cache(maxsize=4096)
def _is_program(exe: str | None) -> bool:
    return exe is not None and base_name(exe) in PROGRAMS
