"""identity.changed: a login uid or audit session that differs from the parent's though nobody logged in.

A parent that only forked, as a subshell does, told no identity: its nearest ancestor that did stands for it.
The kernel lets root rewrite its login uid (/proc/self/loginuid), which also gives it a new audit session.
A change is explained by a program that logs people in, or by a login event of the new session or uid around
the same time; what stays unexplained for a few seconds is told. Pure.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Ancestor, Exec, Exit, IdentityChanged

from .processes import same_start

PATIENCE = 5_000_000_000
"""Nanoseconds for which a login event may still explain a change, and for which one that came first does."""

_PROCESSES, _FORGOTTEN = 65_536, 1024
_WAITING = 1024
_LOGINS = 256
_FORKED = 1024
_BINARIES = ("/usr/sbin/", "/usr/bin/", "/usr/lib/", "/usr/libexec/", "/sbin/", "/bin/", "/lib/")
_PROGRAMS = frozenset(
    {"sshd", "sshd-session", "login", "cron", "crond", "atd", "anacron", "systemd", "(systemd)", "lightdm"}
    | {"gdm-session-worker", "sddm-helper", "vsftpd", "in.rlogind", "xrdp-sesman", "cockpit-session"}
)


class _Suspect(msgspec.Struct, frozen=True, gc=False):
    since: int
    event: IdentityChanged


class IdentityWatch:
    """Login identities of running processes, and the changes that nothing has explained yet."""

    def __init__(self) -> None:
        self._known: dict[int, Exec] = {}
        """By pid, those seen lately last."""
        self._suspects: deque[_Suspect] = deque(maxlen=_WAITING)
        self._logins: deque[tuple[int, int | None, int | None]] = deque(maxlen=_LOGINS)
        self._forked: deque[tuple[int | None, ...]] = deque(maxlen=_FORKED)

    def observe(self, body: Body, mono: int) -> None:
        """Take an event seen at mono (ns); execs and exits come in their order."""
        if isinstance(body, Exec):
            self._exec(body, mono)
        elif isinstance(body, Exit):
            self._known.pop(body.pid, None)
        elif isinstance(body, Accepted | SessionOpen):
            self._logins.append((mono, body.session, body.auid if body.auid is not None else body.uid))

    def due(self, mono: int) -> list[IdentityChanged]:
        """Return the changes that stayed unexplained, once their time is over."""
        told: list[IdentityChanged] = []
        while self._suspects and mono - self._suspects[0].since >= PATIENCE:
            suspect = self._suspects.popleft()
            if not self._explained(suspect):
                told.append(suspect.event)
        return told

    @property
    def waiting(self) -> bool:
        """Whether a change waits for its explanation."""
        return bool(self._suspects)

    def _exec(self, body: Exec, mono: int) -> None:
        former = self._former(body)
        known = self._known
        known.pop(body.pid, None)
        known[body.pid] = body
        if len(known) > _PROCESSES:
            # Several at once: a dict that loses its first entry searches for the next among all it has lost.
            for pid in list(islice(known, _FORGOTTEN)):
                del known[pid]
        if former is None or (former.auid == body.auid and former.session == body.session):
            return
        if former.auid is None or _logs_in(former.exe) or "auid" in body.missing:
            return
        if not self._seen_behind_fork(body):
            self._suspects.append(_Suspect(mono, _changed(body, former)))

    def _former(self, body: Exec) -> Exec | None:
        """Return the identity before: of the same process at its last exec, else of its nearest ancestor."""
        known = self._known.get(body.pid)
        if known is not None and known.start == body.start and body.start is not None:
            return known
        line = body.ancestry
        if not line and body.ppid is not None:
            line = (Ancestor(pid=body.ppid, start=body.parent_start),)
        for one in line:
            if one.pid in self._known and (found := self._at(one.pid, one.start)) is not None:
                return found
        return None

    def _at(self, pid: int, start: int | None) -> Exec | None:
        """Return what pid's exec told, if it is the process that began at start."""
        known = self._known.get(pid)
        if known is None or known.start == start or None in (start, known.start):
            return known
        return known if same_start(known.start, start) else None

    def _seen_behind_fork(self, body: Exec) -> bool:
        """Return whether another child of the same forked parent has shown this identity before."""
        if body.ppid is None or self._at(body.ppid, body.parent_start) is not None:
            return False
        key = (body.ppid, body.parent_start, body.auid, body.session)
        if key in self._forked:
            return True
        self._forked.append(key)
        return False

    def _explained(self, suspect: _Suspect) -> bool:
        actor = suspect.event.actor
        return any(
            abs(at - suspect.since) <= PATIENCE
            and (session == actor.session if session is not None else auid == actor.auid)
            and (session is not None or auid is not None)
            for at, session, auid in self._logins
        )


def _logs_in(exe: str | None) -> bool:
    """Return whether exe is a system binary that gives people their login identity."""
    return exe is not None and exe.startswith(_BINARIES) and exe.rpartition("/")[2] in _PROGRAMS


def _changed(body: Exec, former: Exec) -> IdentityChanged:
    actor = Actor(
        pid=body.pid,
        start=body.start,
        exe=body.exe,
        cmd_line=" ".join(body.argv) or None,
        uid=body.uid,
        auid=body.auid,
        session=body.session,
        unit=body.unit,
        container=body.container,
        container_runtime=body.container_runtime,
        pod=body.pod,
    )
    return IdentityChanged(actor=actor, former_auid=former.auid, former_session=former.session)
