"""Which execs and connections ride priority: those of interactive sessions, up to a quota a minute each.

A session is interactive when it has an audit session and a terminal, or descends from sshd. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from evidence.kind import Body, Lane
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Exec, Exit

_SESSIONS = 4096
_MINUTE = 60_000_000_000
_SSHD = ("/sshd", "/sshd-session")


@dataclass
class _Quota:
    began: int
    used: int = 0


class InteractiveSessions:
    """The interactive audit sessions of this boot, the last few thousand of them, with their quota."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._sessions: OrderedDict[int, _Quota] = OrderedDict()

    def lane(self, body: Body, mono: int) -> Lane:
        """Return the lane body rides, seen at mono (ns); execs tell which sessions are interactive."""
        if body.lane == "priority":
            if isinstance(body, Accepted | SessionOpen) and body.program == "sshd":
                self._note(body.session, mono)
            return "priority"
        if isinstance(body, Exec):
            if body.session is not None and body.session not in self._sessions and _is_interactive(body):
                self._note(body.session, mono)
            return self._within(body.session, mono)
        if isinstance(body, Exit):
            return "bulk"
        if isinstance(body, Open | Report | Close) and body.actor is not None:
            return self._within(body.actor.session, mono)
        return "bulk"

    def _note(self, session: int | None, mono: int) -> None:
        if session is None or session in self._sessions:
            return
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
