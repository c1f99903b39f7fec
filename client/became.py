"""Which session a sudo in the log belongs to: the one whose kernel events show its command. Pure.

sudo's line in the log has a user, a target and a command, but no session. The kernel's exec of the same
command, as somebody else than who logged in, has the session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evidence.kinds.login import Sudo
from evidence.kinds.process import Exec

from .proven import Became
from .signed_events import SessionKey, SignedEvent

_NEAR = 5_000_000_000
"""Nanoseconds between the log's line and the exec; syslog stamps a little before."""


def of_commands(
    sudos: Iterable[SignedEvent], execs: Iterable[SignedEvent], places: Mapping[SessionKey, int]
) -> list[Became]:
    """Return sudos whose command was executed in a claimed session, and in no other of them.

    sudos are privilege.sudo events without a session; places are the claimed sessions.
    """
    ran = [one for one in execs if _is_other(one) and one.session in places]
    found = []
    for sudo in sudos:
        body = sudo.event.body
        if not isinstance(body, Sudo) or not body.allowed or body.command is None:
            continue
        sessions = {one.session for one in ran if _is_of(one, sudo, body.command)}
        if len(sessions) == 1 and (session := sessions.pop()) is not None:
            at = places[session]
            found.append(Became(at, sudo.event.time, body.target or "root", body.command, sudo.uid))
    return found


def _is_other(one: SignedEvent) -> bool:
    body = one.event.body
    return isinstance(body, Exec) and None not in (body.uid, body.auid) and body.uid != body.auid


def _is_of(one: SignedEvent, sudo: SignedEvent, command: str) -> bool:
    body = one.event.body
    if not isinstance(body, Exec) or (one.agent, one.boot) != (sudo.agent, sudo.boot):
        return False
    program, *rest = command.split(" ")
    same = _name(body.exe) == _name(program) and " ".join(body.argv[1:]) == " ".join(rest)
    return same and abs(one.event.time - sudo.event.time) <= _NEAR


def _name(path: str | None) -> str:
    return (path or "").rpartition("/")[2]
