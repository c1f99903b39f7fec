"""Joins what logs say of logins with each other and with the kernel's audit session.

- *Accepted* is held until PAM has opened the session of the same sshd process (or HOLD has passed): only then
  has the kernel given that process its login uid and audit session, so that both events carry them, under the
  same pid.
- *Failed*: a connection that ends before anybody logged in counts as one failure, unless sshd named the
  failures of that process itself.
- *wtmp and btmp* tell again what sshd, su and login have told the log. A record is held for RECORD_HOLD and
  reported only if no line of the log named the same process, or the same user within SAME of its time. The
  end of a session is taken from wtmp only if its beginning was.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from evidence.kind import Body, Endpoint
from evidence.kinds.login import Accepted, Disconnected, Failed, SessionClose, SessionOpen, Su, Sudo

from ..decode.auth_log import parse_auth
from ..decode.sshd import Ended, Refused, endpoint
from ..decode.syslog import Line
from ..decode.utmp import DEAD_PROCESS, USER_PROCESS, Record
from ..sensor import Observed

HOLD = 300_000_000
RECORD_HOLD = 2_000_000_000
SAME = 10_000_000_000
BOUND = 4096
"""Entries of each table here; the oldest is forgotten first."""

_NAME = 32
"""Characters of a user name that utmp keeps."""

V = TypeVar("V")


class Identity(Protocol):
    """Login uid and audit session of a process."""

    @property
    def auid(self) -> int | None:
        """Return the login uid."""

    @property
    def session(self) -> int | None:
        """Return the audit session."""


class _Session(msgspec.Struct, frozen=True):
    auid: int | None
    session: int | None
    source: Endpoint | None = None


class _Attempt(msgspec.Struct):
    """What is known of one sshd process before login."""

    reported: bool = False
    refused: bool = False


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What a line of the log said of whom."""

    time: int
    user: str
    pid: int | None
    failure: bool


class _Held(msgspec.Struct, frozen=True):
    body: Accepted
    time: int
    since: int


class _Bounded(OrderedDict[object, V], Generic[V]):
    """A dict that forgets its oldest entry beyond BOUND."""

    def __setitem__(self, key: object, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > BOUND:
            self.popitem(last=False)


class LoginTable:
    """State of one feed; identity gives what the kernel says of a pid. Times are ns, now is monotonic."""

    def __init__(self, identity: Callable[[int], Identity]) -> None:
        self._identity = identity
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._sessions: _Bounded[_Session] = _Bounded()
        self._by_source: _Bounded[_Session] = _Bounded()
        self._attempts: _Bounded[_Attempt] = _Bounded()
        self._told: deque[_Told] = deque(maxlen=BOUND)
        self._records: deque[tuple[int, str, Record]] = deque(maxlen=BOUND)
        self._lines: _Bounded[str] = _Bounded()

    @property
    def holding(self) -> bool:
        """Whether `due` will have something to return in a moment."""
        return bool(self._held or self._records)

    def take(self, line: Line, now: int) -> list[Observed]:
        """Return the events that line completes."""
        found = parse_auth(line)
        if isinstance(found, Refused):
            self._attempt(line.pid).refused = True
            return []
        if isinstance(found, Ended):
            found = self._ended(line.pid, found)
        elif isinstance(found, Failed):
            found = self._failed(found)
        if found is None:
            return []
        self._told.append(_Told(line.time, getattr(found, "user", ""), line.pid, _is_failure(found)))
        if isinstance(found, Accepted) and found.pid is not None:
            return self._hold(found, line.time, now)
        if isinstance(found, SessionOpen):
            return self._opened(found, line.time)
        return [Observed(self._identified(found), time=line.time)]

    def take_record(self, source: str, record: Record, now: int) -> None:
        """Note a record of source, which is ``wtmp`` or ``btmp``; `due` returns it if the log is silent."""
        if record.type in (USER_PROCESS, DEAD_PROCESS) or source == "btmp":
            self._records.append((now, source, record))

    def due(self, now: int) -> list[Observed]:
        """Return what was held long enough."""
        events: list[Observed] = []
        while self._held and now - next(iter(self._held.values())).since >= HOLD:
            pid, held = self._held.popitem(last=False)
            events.append(self._release(pid, held, self._identity(pid)))
        while self._records and now - self._records[0][0] >= RECORD_HOLD:
            _, source, record = self._records.popleft()
            events += self._record(source, record)
        return events

    def _attempt(self, pid: int | None) -> _Attempt:
        attempt = self._attempts.get(pid) if pid is not None else None
        if attempt is None:
            attempt = _Attempt()
            self._attempts[pid] = attempt
        return attempt

    def _failed(self, body: Failed) -> Failed:
        if body.program != "sshd":
            return body
        attempt = self._attempt(body.pid)
        attempt.reported = True
        return replace(body, known=True) if attempt.refused else body

    def _ended(self, pid: int | None, ended: Ended) -> Failed | None:
        attempt = self._attempt(pid)
        if attempt.reported:
            return None
        attempt.reported = True
        known = ended.known or attempt.refused
        return Failed(program="sshd", user=ended.user, pid=pid, source=ended.source, known=known)

    def _hold(self, body: Accepted, time: int, now: int) -> list[Observed]:
        pid = body.pid or 0
        events = (
            [self._release(pid, held, _Session(None, None))] if (held := self._held.pop(pid, None)) else []
        )
        self._attempts.pop(pid, None)
        self._held[pid] = _Held(body, time, now)
        if len(self._held) > BOUND:
            oldest, held = self._held.popitem(last=False)
            events.append(self._release(oldest, held, self._identity(oldest)))
        return events

    def _release(self, pid: int, held: _Held, known: Identity, uid: int | None = None) -> Observed:
        body = replace(held.body, auid=known.auid, session=known.session, uid=uid)
        self._remember("sshd", pid, _Session(known.auid, known.session, body.source))
        return Observed(body, time=held.time)

    def _opened(self, body: SessionOpen, time: int) -> list[Observed]:
        if body.pid is None:
            return [Observed(body, time=time)]
        known = self._identity(body.pid)
        events: list[Observed] = []
        if body.program == "sshd" and (held := self._held.pop(body.pid, None)):
            events.append(self._release(body.pid, held, known, body.uid))
        else:
            self._remember(body.program, body.pid, _Session(known.auid, known.session))
        events.append(Observed(replace(body, auid=known.auid, session=known.session), time=time))
        return events

    def _remember(self, program: str, pid: int, session: _Session) -> None:
        self._sessions[program, pid] = session
        if session.source is not None:
            self._by_source[session.source] = session

    def _identified(self, body: Body) -> Body:
        """Fill login uid and audit session: as kept from the session's beginning, else as the kernel says."""
        known: Identity | None = None
        if isinstance(body, Disconnected):
            known = self._by_source.pop(body.source, None)
        elif isinstance(body, SessionClose):
            known = self._sessions.pop((body.program, body.pid), None)
        if (
            known is None
            and isinstance(body, Disconnected | SessionClose | Sudo | Su)
            and body.pid is not None
        ):
            known = self._identity(body.pid)
        if known is None or not isinstance(body, Disconnected | SessionClose | Sudo | Su):
            return body
        return replace(body, auid=known.auid, session=known.session)

    def _record(self, source: str, record: Record) -> list[Observed]:
        if record.type == DEAD_PROCESS and source == "wtmp":
            user = self._lines.pop(record.line, None)
            closed = (
                SessionClose(program=source, user=user, pid=record.pid, terminal=record.line)
                if user
                else None
            )
            return [Observed(closed, time=record.time)] if closed else []
        if not record.user or self._log_told(source, record):
            return []
        remote = endpoint(record.address) if record.address else None
        if source == "btmp":
            failed = Failed(program=source, user=record.user, pid=record.pid, source=remote)
            return [Observed(failed, time=record.time)]
        self._lines[record.line] = record.user
        known = self._identity(record.pid)
        opened = SessionOpen(
            program=source,
            user=record.user,
            pid=record.pid,
            auid=known.auid,
            session=known.session,
            source=remote,
            terminal=record.line or None,
        )
        return [Observed(opened, time=record.time)]

    def _log_told(self, source: str, record: Record) -> bool:
        """Whether the log told of the same login, or failure."""
        return any(
            told.failure == (source == "btmp")
            and abs(told.time - record.time) <= SAME
            and (told.pid == record.pid or told.user[:_NAME] == record.user)
            for told in self._told
        )


def _is_failure(body: Body) -> bool:
    return isinstance(body, Failed) or (isinstance(body, Su) and not body.allowed)
