"""Which execs and connections ride priority: those of interactive sessions, up to a quota a minute each.

A session is interactive when it has an audit session and a terminal, or descends from sshd. Pure.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from evidence.kind import Body, Lane
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Exec, Exit

_SESSIONS = 4096
_MINUTE = 60_000_000_000
_SSHD = ("/sshd", "/sshd-session")


class _Quota(msgspec.Struct):
    began: int
    used: int = 0


class InteractiveSessions:
    """The interactive audit sessions of this boot, the last few thousand of them, with their quota."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._sessions: OrderedDict[int, _Quota] = OrderedDict()
        self._background: OrderedDict[int, None] = OrderedDict()

    def lane(self, body: Body, mono: int) -> Lane:
        """Return the lane body rides, seen at mono (ns); execs tell which sessions are interactive."""
        if body.lane == "priority":
            if isinstance(body, Accepted | SessionOpen) and body.program == "sshd":
                self._note(body.session, mono)
            return "priority"
        if isinstance(body, Exec):
            if body.session is not None and body.session not in self._sessions:
                self._judge(body, body.session, mono)
            return self._within(body.session, mono)
        if isinstance(body, Exit):
            return "bulk"
        if isinstance(body, Open | Report | Close) and body.actor is not None:
            return self._within(body.actor.session, mono)
        return "bulk"

    def is_bulk(self, session: int | None, mono: int) -> bool:
        """Return whether what a session does at mono (ns) rides bulk, as far as it is known by now."""
        quota = self._sessions.get(session) if session is not None else None
        return quota is None or (quota.used >= self._per_minute and mono - quota.began < _MINUTE)

    def is_bulk_exec(self, session: int | None, mono: int, *, tty: bool) -> bool:
        """Return whether an exec of a session at mono (ns) rides bulk: surely, before its ancestry is known.

        Of a session it is known once one of its execs was judged by lane(): all descend from the same login.
        """
        if session is None or session in self._sessions:
            return self.is_bulk(session, mono)
        return session in self._background and not tty

    def _judge(self, body: Exec, session: int, mono: int) -> None:
        """Take the word of an exec on its session."""
        if _is_interactive(body):
            self._note(session, mono)
            return
        self._background[session] = None
        if len(self._background) > _SESSIONS:
            self._background.popitem(last=False)

    def _note(self, session: int | None, mono: int) -> None:
        if session is None or session in self._sessions:
            return
        self._background.pop(session, None)
        self._sessions[session] = _Quota(mono)
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)

    def _within(self, session: int | None, mono: int) -> Lane:
        quota = self._sessions.get(session) if session is not None else None
        if quota is None or session is None:
            return "bulk"
        self._sessions.move_to_end(session)
        if mono - quota.began >= _MINUTE:
            quota.began, quota.used = mono, 0
        quota.used += 1
        return "priority" if quota.used <= self._per_minute else "bulk"


def _is_interactive(body: Exec) -> bool:
    return body.tty is not None or any((step.exe or "").endswith(_SSHD) for step in body.ancestry)
