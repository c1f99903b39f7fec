"""identity.changed: a login uid or audit session that differs from the parent's though nobody logged in.

A parent that only forked, as a subshell does, told no identity: its nearest ancestor that did stands for it.
The kernel lets root rewrite its login uid (/proc/self/loginuid), which also gives it a new audit session.
A change is explained by a program that logs people in, or by a login event of the new session or uid around
the same time; what stays unexplained for a few seconds is told. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from evidence.kind import Actor, Body
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Ancestor, Exec, Exit, IdentityChanged

from .gathered import Gathered
from .processes import same_start

T = TypeVar("T")

PATIENCE = 5_000_000_000
"""Nanoseconds for which a login event may still explain a change, and for which one that came first does."""

_PROCESSES, _FORGOTTEN = 65_536, 1024
_WAITING = 1024
_LOGINS, _LOGIN_KEPT = 256, 20_000_000_000
_FORKED = 1024
_BINARIES = ("/usr/sbin/", "/usr/bin/", "/usr/lib/", "/usr/libexec/", "/sbin/", "/bin/", "/lib/")
_PROGRAMS = frozenset(
    {"sshd", "sshd-session", "login", "cron", "crond", "atd", "anacron", "systemd", "(systemd)", "lightdm"}
    | {"gdm-session-worker", "sddm-helper", "vsftpd", "in.rlogind", "xrdp-sesman", "cockpit-session"}
)


class Suspect(msgspec.Struct, frozen=True, gc=False):
    """A change that nothing has explained since it was seen (ns)."""

    since: int
    event: IdentityChanged


class LoginSeen(msgspec.Struct, frozen=True, gc=False):
    """A login at mono (ns): the audit session and the user id it may explain."""

    mono: int
    session: int | None
    uid: int | None


class IdentityWatch:
    """Login identities of running processes, and the changes that nothing has explained yet."""

    def __init__(
        self, suspects: Gathered[Suspect] | None = None, logins: Gathered[LoginSeen] | None = None
    ) -> None:
        """Begin with what a former run, which was killed, left of changes and logins."""
        self._known: dict[int, Exec] = {}
        """By pid, those seen lately last."""
        self._suspects = _Line(suspects if suspects is not None else Gathered(Suspect), _since)
        self._logins = _Line(logins if logins is not None else Gathered(LoginSeen), _mono)
        self._forked: deque[tuple[int | None, ...]] = deque(maxlen=_FORKED)

    def observe(self, body: Body, mono: int) -> None:
        """Take an event seen at mono (ns); execs and exits come in their order."""
        if isinstance(body, Exec):
            self._exec(body, mono)
        elif isinstance(body, Exit):
            self._known.pop(body.pid, None)
        elif isinstance(body, Accepted | SessionOpen):
            uid = body.auid if body.auid is not None else body.uid
            self._logins.add(f"{mono} {body.session} {uid}", LoginSeen(mono, body.session, uid))
            while len(self._logins) > _LOGINS or self._logins.first.mono < mono - _LOGIN_KEPT:
                self._logins.pop()

    def due(self, mono: int) -> list[IdentityChanged]:
        """Return the changes that stayed unexplained, once their time is over."""
        told: list[IdentityChanged] = []
        while self._suspects and (
            mono - self._suspects.first.since >= PATIENCE or len(self._suspects) > _WAITING
        ):
            told += self._judge(self._suspects.pop())
        return told

    def rest(self) -> list[IdentityChanged]:
        """Return the changes that are unexplained now; nothing more will be seen."""
        told: list[IdentityChanged] = []
        while self._suspects:
            told += self._judge(self._suspects.pop())
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
            self._suspects.add(f"{mono} {body.pid}", Suspect(mono, _changed(body, former)))

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

    def _judge(self, suspect: Suspect) -> list[IdentityChanged]:
        """Return the change, unless a login explains it."""
        actor = suspect.event.actor
        for login in self._logins:
            session, uid = login.session, login.uid
            same = session == actor.session if session is not None else uid is not None and uid == actor.auid
            if same and abs(login.mono - suspect.since) <= PATIENCE:
                return []
        return [suspect.event]


class _Line(Generic[T]):
    """What is gathered, in the order of its times; the oldest is first."""

    def __init__(self, kept: Gathered[T], time: Callable[[T], int]) -> None:
        self._kept = kept
        self._order = deque(sorted(kept.items(), key=lambda item: time(item[1])))

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept)

    @property
    def first(self) -> T:
        return self._order[0][1]

    def add(self, key: str, one: T) -> None:
        self._order.append((key, one))
        self._kept.put(key, one)

    def pop(self) -> T:
        key, one = self._order.popleft()
        self._kept.drop(key)
        return one


def _since(suspect: Suspect) -> int:
    return suspect.since


def _mono(login: LoginSeen) -> int:
    return login.mono


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
