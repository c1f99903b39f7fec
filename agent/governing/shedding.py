"""Which events the governor sheds: streams that ride bulk, but for a sample of each kind. Never priority.

A change of a watched file is not shed here: what it costs was spent when it is known. Pure.
"""

from __future__ import annotations

from collections import Counter

from evidence.kind import Body
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.dns import Query
from evidence.kinds.process import Exec, Exit

from .governor import Governor
from .interactive import InteractiveSessions

SUGGESTION = "look what the named programs do, or raise [governor] cpu_share and the unit's CPUQuota above it"
SAMPLE = 50
"""Events of each kind that pass in a second while the rest is shed: kinds that come seldom lose nothing."""
_SECOND = 1_000_000_000
_STREAMS = (Exec, Exit, Open, Report, Close, Query)


class Shedding:
    """The governor's word on each event."""

    def __init__(self, governor: Governor, sessions: InteractiveSessions) -> None:
        self._governor = governor
        self._sessions = sessions
        self._passed: Counter[type[Body]] = Counter()
        self._since = 0

    @property
    def cause(self) -> str | None:
        """Why events are shed now; None while all pass."""
        return self._governor.cause

    def measure(self, mono: int, cpu: int) -> None:
        """Take the time and the CPU time used so far (ns)."""
        self._governor.measure(mono, cpu)
        if mono - self._since >= _SECOND:
            self._passed.clear()
            self._since = mono

    def ring(self, fill: float) -> None:
        """Take how full the ring of processes is after it was read, from 0 to 1."""
        self._governor.ring(fill)

    def sheds_exec(self, session: int | None, mono: int, *, tty: bool) -> str | None:
        """Return why an exec of session, seen at mono (ns), is to be shed: asked before it is decoded."""
        cause = self._governor.cause
        if cause is None or self._passed[Exec] < SAMPLE:
            return None
        return cause if self._sessions.is_bulk_exec(session, mono, tty=tty) else None

    def sheds(self, body: Body, mono: int) -> str | None:
        """Return why body, seen at mono (ns), is to be shed; one that passes counts for the sample."""
        cause = self._governor.cause
        if cause is None or not isinstance(body, _STREAMS):
            return None
        if self._passed[type(body)] >= SAMPLE and self._is_bulk(body, mono):
            return cause
        self._passed[type(body)] += 1
        return None

    def _is_bulk(self, body: Body, mono: int) -> bool:
        if isinstance(body, Exec):
            return self._sessions.is_bulk_exec(body.session, mono, tty=body.tty is not None)
        if isinstance(body, Open | Report | Close):
            session = None if body.actor is None else body.actor.session
            return self._sessions.is_bulk(session, mono)
        return True
