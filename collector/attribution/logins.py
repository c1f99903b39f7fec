"""Logins and the sessions they open: whose session is whose login, whichever is told first. Pure."""

from __future__ import annotations

from evidence.event import Event
from evidence.kinds import login

from ..bounded import remember
from ..record import NOT_INTERACTIVE, Origin, Person
from .crossings import Crossings
from .hop_pairs import Login
from .sessions import Session, Sessions

_LIMIT = 30_000
"""Logins of which one half, its acceptance or its session, may have come without the other."""


class Logins:
    """Joins a service's login with the session it opened: by its number, else by the service's process.

    accepted has uids of logins, opened keys of sessions, by the pid of the service's process.
    """

    def __init__(
        self, accepted: dict[str, str], opened: dict[str, str], sessions: Sessions, crossings: Crossings
    ) -> None:
        self._accepted, self._opened = accepted, opened
        self._sessions, self._crossings = sessions, crossings

    def accepted(self, origin: Origin, event: Event[login.Accepted]) -> Person:
        """Take in a login, and return its person as far as that is known."""
        body = event.body
        seen = self._crossings.accepted(origin, event)
        if body.pid is not None:
            remember(self._accepted, origin.key(body.pid), seen.uid, _LIMIT)
        key = origin.key(body.session) if body.session is not None else None
        if key is None and body.pid is not None:
            key = self._opened.get(origin.key(body.pid))
        elif key is not None and self._sessions.get(key) is None:
            key = self._open(origin, event, body.session or 0)
        session = self._sessions.get(key) if key is not None else None
        if key is not None and session is not None:
            self._join(key, session, seen)
        self._crossings.judge(seen)
        return session.person if session is not None else self._crossings.behind(seen)

    def opened(self, origin: Origin, event: Event[login.SessionOpen]) -> bool:
        """Take in the opening of a session; return whether that said anything of one.

        su and sudo open PAM sessions inside the one that the login made; the person stays.
        """
        body = event.body
        if body.session is None:
            return False
        key = origin.key(body.session)
        known = self._sessions.get(key)
        if known is not None and (known.program or (known.link is not None and known.link.kind == "former")):
            return False
        session = self._sessions.state.sessions[self._open(origin, event, body.session)]
        if body.pid is not None:
            remember(self._opened, origin.key(body.pid), key, _LIMIT)
            seen = self._crossings.login(self._accepted.get(origin.key(body.pid)))
            if seen is not None:
                self._join(key, session, seen)
        return True

    def closed(self, origin: Origin, event: Event[login.SessionClose]) -> None:
        """Take in the end of a session."""
        body = event.body
        key = origin.key(body.session) if body.session is not None else None
        known = self._sessions.get(key) if key is not None else None
        if key is not None and known is not None and _is_its_own(known, body.program):
            known.closed = event.time
            self._sessions.tell(key)

    def _open(self, origin: Origin, event: Event[login.Accepted | login.SessionOpen], number: int) -> str:
        """Take in a session that a login service opened."""
        body, key = event.body, origin.key(number)
        session = self._sessions.get(key) or self._sessions.make(origin, number, body.user)
        session.user, session.program, session.opened = body.user, body.program, event.time
        session.evidence = (origin.uid(event),)
        session.source = body.source.ip if body.source else None
        self._sessions.tell(key)
        self._sessions.rename(key)
        return key

    def _join(self, key: str, session: Session, seen: Login) -> None:
        """Let a session be the one that a login opened."""
        seen.session = key
        session.user, session.fingerprint = seen.user, seen.fingerprint
        session.source = seen.source[0] if seen.source is not None else session.source
        session.evidence = tuple(dict.fromkeys((seen.uid, *session.evidence)))
        self._sessions.tell(key)
        self._sessions.rename(key)
        self._crossings.apply(key, seen)


def _is_its_own(session: Session, program: str) -> bool:
    """Return whether the program that closes a session opened it, as far as that was seen."""
    return session.program == program if session.program else program in NOT_INTERACTIVE
