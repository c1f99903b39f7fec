"""Which rules are shown an event: decided once for events that are alike, then looked up. Pure.

An event is like another by its kind, and an exec also by its program and whether it is unusual, a connection
by its program, direction, protocol and whether its other end is known. A rule says what it wants of these;
what it is not shown it would have ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from evidence.kind import Body
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.process import Exec

from ..bounded import remember
from ..measures.session_work import program, senders_of
from ..record import Record
from ..rule import Finding, Rule, Site

LIMIT = 10_000
"""Of what is remembered; nearly all events are of few programs."""
Ask = Callable[[Record, Site], Iterable[Finding] | Finding | None]
"""Has a rule judge an event, its state included; may raise whatever the rule does, also while it is read."""
Asked = tuple[Rule, Ask]
_CONNECTIONS = frozenset({Open, Close, Report})
_Like = tuple[type[Body], bool, str, str, tuple[str | None, str | None]]


class Routes:
    """By kind the rules that want it; of execs and connections those that want ones like it."""

    def __init__(self, by_kind: dict[type[Body], tuple[Asked, ...]], site: Site) -> None:
        """Take all rules by kind; site is what was told when they were asked what they want."""
        self._by_kind = by_kind
        self._site = site
        self._is_known = site.known.is_known
        self._execs: dict[str, tuple[Asked, ...]] = {}
        self._unusual: dict[str, tuple[Asked, ...]] = {}
        self._connections: dict[_Like, tuple[Asked, ...]] = {}

    def of(self, body: Any) -> tuple[Asked, ...]:
        """Return the rules that want to see an event with this body."""
        kind = type(body)
        if kind is Exec:
            unusual = body.elevated or body.environment or body.memory_only is not None  # as `is_unusual`
            by_program = self._unusual if unusual else self._execs
            found = by_program.get(body.exe or "")
            return self._of_exec(by_program, body) if found is None else found
        if kind in _CONNECTIONS:
            known, actor = self._is_known(body.remote.ip), body.actor
            programs = (None, None) if actor is None else (actor.exe, actor.became)
            like = (kind, known, body.direction, body.protocol, programs)
            found = self._connections.get(like)
            return self._of_connection(like, body) if found is None else found
        return self._by_kind.get(kind, ())

    def _of_exec(self, by_program: dict[str, tuple[Asked, ...]], body: Exec) -> tuple[Asked, ...]:
        found = self._wanting(body)
        if body.exe:
            remember(by_program, body.exe, found, LIMIT)
        return found

    def _of_connection(self, like: _Like, body: Open | Close | Report) -> tuple[Asked, ...]:
        found = self._wanting(body)
        remember(self._connections, like, found, LIMIT)
        return found

    def _wanting(self, body: Body) -> tuple[Asked, ...]:
        return tuple(one for one in self._by_kind.get(type(body), ()) if wants(one[0], body, self._site))


def wants(rule: Rule, body: Body, site: Site) -> bool:
    """Return whether a rule is to be shown an event with this body."""
    if not isinstance(body, rule.kinds):
        return False
    if isinstance(body, Exec):
        names = rule.programs(site)
        return names is None or program(body) in names or (rule.unusual and is_unusual(body))
    if not isinstance(body, Open | Close | Report):
        return True
    wanted = rule.connections(site)
    if wanted.unknown and site.is_known(body.remote.ip):
        return False
    if wanted.direction not in (None, body.direction) or wanted.protocol not in (None, body.protocol):
        return False
    return wanted.programs is None or not wanted.programs.isdisjoint(senders_of(body))


def is_unusual(body: Exec) -> bool:
    """Return whether an exec has what few have: rights its caller lacks, no file, variables that are told."""
    return body.elevated or body.memory_only is not None or bool(body.environment)
