"""Hosts that log in to each other: each one's events in its order, to be shown to attribution in any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from collector.attribution.attribution import Attribution, State
from collector.organisation.known import Known, Organisation
from collector.record import Origin, Person, SessionRevision
from evidence.event import Event, stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close, Direction, Open
from evidence.kinds.login import Accepted, SessionClose, SessionOpen

SECOND = 1_000_000_000
BEGIN = 1_790_000_000 * SECOND
LAPTOP = "198.51.100.7"
Seen = tuple[Origin, Event[Body]]


class Host:
    """One host's events, in its order, a batch each; ahead is by how many seconds its clock is."""

    def __init__(self, name: str, ip: str, *, ahead: float = 0, known_ahead: bool = True) -> None:
        self.name, self.ip = name, ip
        self._ahead = int(ahead * SECOND)
        self._skew = self._ahead if known_ahead else 0
        self.seen: list[Seen] = []
        self._pid = 100

    def tell(self, body: Body, at: float) -> str:
        """Add an event at seconds after the beginning, and return its uid."""
        seq = len(self.seen) + 1
        time = BEGIN + int(at * SECOND) + self._ahead
        origin = Origin(self.name, 1, "boot", self.name, seq, BEGIN + int(at * SECOND), self._skew)
        event = stamp(body, seq=seq, time=time, mono=seq)
        self.seen.append((origin, event))
        return origin.uid(event)

    def login(
        self, user: str, session: int, source: str, port: int, at: float, *, key: str | None = None
    ) -> tuple[str, str]:
        """Let somebody in; return the uids of login and session."""
        self._pid += 1
        accepted = Accepted(
            program="sshd",
            user=user,
            pid=self._pid,
            method="publickey",
            fingerprint=key,
            source=Endpoint(ip=source, port=port),
        )
        opened = SessionOpen(program="sshd", user=user, pid=self._pid, auid=1000, session=session)
        return self.tell(accepted, at), self.tell(opened, at + 0.1)

    def logout(self, user: str, session: int, at: float) -> None:
        """End a session."""
        self.tell(SessionClose(program="sshd", user=user, session=session), at)

    def actor(self, session: int | None, exe: str, pid: int = 500) -> Actor:
        """Return a process of a session."""
        auid = 1000 if session is not None else None
        return Actor(pid=pid, start=SECOND, exe=exe, uid=1000, auid=auid, session=session)

    def ssh(
        self, to: Host | str, session: int | None, port: int, at: float, *, seconds: float | None = None,
        exe: str = "/usr/bin/ssh", pid: int = 500, flow: int | None = None,
    ) -> str:  # fmt: skip
        """Connect to a host's sshd; with seconds, only its end is told. Return the event's uid."""
        remote = to if isinstance(to, str) else to.ip
        ends = (Endpoint(ip=self.ip, port=port), Endpoint(ip=remote, port=22))
        if seconds is None:
            return self.tell(
                self._open(ends, self.actor(session, exe, pid), port if flow is None else flow), at
            )
        closed = Close(
            flow=port if flow is None else flow,
            protocol="tcp",
            direction="out",
            local=ends[0],
            remote=ends[1],
            duration=int(seconds * SECOND),
            actor=self.actor(session, exe, pid),
        )
        return self.tell(closed, at + seconds)

    def served(self, source: str, port: int, at: float) -> str:
        """Tell of the connection a login came by, as this host saw it."""
        ends = (Endpoint(ip=self.ip, port=22), Endpoint(ip=source, port=port))
        return self.tell(self._open(ends, Actor(pid=50, exe="/usr/sbin/sshd"), 9000 + port, "in"), at)

    @staticmethod
    def _open(ends: tuple[Endpoint, Endpoint], actor: Actor, flow: int, direction: Direction = "out") -> Open:
        return Open(
            flow=flow, protocol="tcp", direction=direction, local=ends[0], remote=ends[1], actor=actor
        )


class Fleet:
    """Attribution, and the newest revision of each session by host and number."""

    def __init__(self, organisation: Organisation | None = None) -> None:
        self._organisation = organisation or Organisation()
        self.engine = Attribution(Known(self._organisation))
        self.sessions: dict[tuple[str, int], SessionRevision] = {}
        self.persons: dict[str, Person | None] = {}

    def see(self, seen: Iterable[Seen]) -> Fleet:
        """Show events, each as a batch of its own."""
        for origin, event in seen:
            self.persons[origin.uid(event)] = self.engine.attribute(origin, event)
            self._keep(self.engine.revisions(origin.received))
        return self

    def settle(self) -> dict[tuple[str, int], SessionRevision]:
        """Return the sessions as they are told at the end, without when that was."""
        self._keep(self.engine.revisions(BEGIN + 86_400 * SECOND))
        return {name: msgspec.structs.replace(one, revised=0) for name, one in self.sessions.items()}

    def restart(self) -> None:
        """Store attribution's state and go on from it."""
        stored = msgspec.msgpack.encode(self.engine.state)
        self.engine = Attribution(Known(self._organisation))
        self.engine.load(msgspec.msgpack.decode(stored, type=State))

    def _keep(self, revisions: Sequence[SessionRevision]) -> None:
        for one in revisions:
            former = self.sessions.get((one.host, one.session))
            assert former is None or former.revised < one.revised
            self.sessions[one.host, one.session] = one


def in_time(*hosts: Host) -> list[Seen]:
    """Return the events of hosts in the order in which they happened."""
    return sorted(
        (one for host in hosts for one in host.seen), key=lambda one: (one[0].received, one[0].agent)
    )
