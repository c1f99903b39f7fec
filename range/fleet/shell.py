"""A login session at work: what sshd, the kernel and PAM tell of it, as our sensors do.

A session has a clock of its own, which each act moves on. After the host started anew it tells nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import msgspec

from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close, Direction, Open, Report
from evidence.kinds.dns import Query
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, Disconnected, SessionClose, SessionOpen, Sudo
from evidence.kinds.process import Ancestor, Exec, Exit

from . import draws, programs
from .place import Place
from .world import Machine, World

SECOND = 10**9
_STEPS = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000)
_MINUTE = 60.0
_REPORTS = 30
_RESOLVER = Endpoint(ip="10.0.0.2", port=53)
_SSH = 22
_SPEED, _SPEED_SIGMA = 6_000_000, 0.7
"""Bytes a second of a transfer: lognormal (inferred)."""


class Account(msgspec.Struct, frozen=True):
    """Who logs in: the account's name and user id, and the fingerprint of the key that is used."""

    name: str
    uid: int
    key: str


class Shell:
    """A session of an account on a machine, from a source; made by `login` or `hop`."""

    def __init__(
        self,
        world: World,
        machine: Machine,
        account: Account,
        at: int,
        source: Endpoint,
        *,
        parent: Shell | None = None,
    ) -> None:
        """Log in at a time (UTC ns), from a session on another machine where there is a parent."""
        self.parent = parent
        self.world, self.machine, self.account, self.source = world, machine, account, source
        self.at = at
        self.session = machine.session()
        self.out = self.into = 3000
        self._began = at
        self._boot = machine.host.boot(at)
        self._sshd, self._flow, self._bash = machine.pid(), machine.flow(), machine.pid()
        self._tell_login()

    def _tell_login(self) -> None:
        user, pid = self.account.name, self._sshd
        self.tell(
            Accepted(
                program="sshd", user=user, pid=pid, method="publickey", fingerprint=self.account.key,
                source=self.source,
            )
        )  # fmt: skip
        self.at += SECOND // 50
        self.tell(
            SessionOpen(program="sshd", user=user, pid=pid, auid=self.account.uid, session=self.session)
        )
        start = self.machine.start(self._began)
        self.ancestry = (
            Ancestor(pid=self._bash, start=start + SECOND // 20, exe="/usr/bin/bash"),
            Ancestor(pid=pid, start=start, exe="/usr/sbin/sshd"),
            Ancestor(pid=1, start=1, exe="/usr/lib/systemd/systemd"),
        )
        self.at += SECOND // 50
        self._exec(self._bash, "/usr/bin/bash", ("-bash",), self.account.uid, self.ancestry[1:])
        flow = Open(
            flow=self._flow, protocol="tcp", direction="in", local=self.ssh_end, remote=self.source,
            actor=self.server,
        )  # fmt: skip
        self.tell(flow, self._began + SECOND)
        self.at += SECOND

    @property
    def ssh_end(self) -> Endpoint:
        """The end of its own connection here."""
        return Endpoint(ip=self.machine.host.ip, port=_SSH)

    @property
    def server(self) -> Actor:
        """The process of sshd that serves it."""
        start = self.machine.start(self._began)
        return Actor(
            pid=self._sshd, start=start, exe="/usr/sbin/sshd", cmd_line=f"sshd: {self.account.name}", uid=0,
            auid=self.account.uid, session=self.session, unit="ssh.service",
        )  # fmt: skip

    def tell(self, body: Body, at: int | None = None) -> None:
        """Tell an event now, or at a time (UTC ns), if the session still is of the host's run."""
        when = self.at if at is None else at
        if self.machine.host.boot(when) is self._boot:
            self.world.tell(self.machine, when, body)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.at += int(seconds * SECOND)

    def run(self, *argv: str, seconds: float = 0.05, uid: int | None = None, exe: str | None = None) -> Actor:
        """Execute a program, which ends after seconds; return it."""
        path = exe or programs.path(argv[0])
        pid, begun = self.machine.pid(), self.at
        owner = self.account.uid if uid is None else uid
        self._exec(pid, path, argv, owner, self.ancestry)
        self.wait(seconds)
        end = Exit(
            pid=pid, start=self.machine.start(begun), exe=path, uid=owner, auid=self.account.uid,
            session=self.session, code=0, duration=int(seconds * SECOND),
        )  # fmt: skip
        self.tell(end)
        return Actor(
            pid=pid, start=self.machine.start(begun), exe=path, cmd_line=" ".join(argv), uid=owner,
            auid=self.account.uid, session=self.session, unit=f"session-{self.session}.scope",
        )  # fmt: skip

    def _exec(
        self, pid: int, exe: str, argv: tuple[str, ...], uid: int, ancestry: tuple[Ancestor, ...]
    ) -> None:
        scope = f"session-{self.session}.scope"
        body = Exec(
            pid=pid, start=self.machine.start(self.at), ppid=ancestry[0].pid,
            parent_start=ancestry[0].start, exe=exe, cwd=f"/home/{self.account.name}", argv=argv,
            argv_length=sum(map(len, argv)) + len(argv), sha256=programs.sha256(exe), uid=uid, gid=uid,
            euid=uid, auid=self.account.uid, session=self.session, user=None if uid else "root",
            login=self.account.name, tty="pts/0", unit=scope,
            cgroup=f"/user.slice/user-{self.account.uid}.slice/{scope}", ancestry=ancestry,
        )  # fmt: skip
        self.tell(body)

    def sudo(self, *argv: str, target: str = "root", uid: int = 0, seconds: float = 0.1) -> Actor:
        """Run a program as somebody else; return it."""
        self.run("sudo", *(("-u", target) if uid else ()), *argv, seconds=0.0)
        self.tell(
            Sudo(
                program="sudo", user=self.account.name, uid=self.account.uid, auid=self.account.uid,
                session=self.session, target=target, command=" ".join((programs.path(argv[0]), *argv[1:])),
                cwd=f"/home/{self.account.name}", terminal="pts/0",
            )
        )  # fmt: skip
        return self.run(*argv, uid=uid, seconds=seconds)

    def resolve(self, actor: Actor, place: Place) -> Endpoint:
        """Ask for a place's name, and return its end of a connection."""
        self.tell(
            Query(
                name=place.name, type="A", server=_RESOLVER, protocol="udp", rcode=0, answers=(place.ip,),
                ttl=300, duration=3_000_000, actor=actor,
            )
        )  # fmt: skip
        return Endpoint(ip=place.ip, port=place.port, name=place.name)

    def send(self, draw: Random, actor: Actor, to: Place | Endpoint, out: float, into: float = 4000) -> None:
        """Send bytes to a place, over one connection that lasts as long as they take."""
        remote = self.resolve(actor, to) if isinstance(to, Place) else to
        seconds = (out + into) / draws.lognormal(draw, _SPEED, _SPEED_SIGMA) + draw.uniform(0.05, 0.8)
        ends = (Endpoint(ip=self.machine.host.ip, port=self.machine.port()), remote)
        self.carry(ends, actor, (int(out), int(into)), seconds)

    def carry(
        self,
        ends: tuple[Endpoint, Endpoint],
        actor: Actor,
        moved: tuple[int, int],
        seconds: float,
        *,
        direction: Direction = "out",
        flow: int | None = None,
    ) -> None:
        """Tell of a connection between ends (here, there) that begins now and moves bytes out and in."""
        number = self.machine.flow() if flow is None else flow
        begun = self.at
        if seconds >= 1.0 and flow is None:
            opened = Open(
                flow=number, protocol="tcp", direction=direction, local=ends[0], remote=ends[1], actor=actor
            )
            self.tell(opened, begun + SECOND)
        for part in _reported(sum(moved), seconds):
            report = Report(
                flow=number, protocol="tcp", direction=direction, local=ends[0], remote=ends[1],
                bytes_out=int(moved[0] * part), bytes_in=int(moved[1] * part),
                duration=int(part * seconds * SECOND), actor=actor,
            )  # fmt: skip
            self.tell(report, begun + int(part * seconds * SECOND))
        self.at = begun + int(seconds * SECOND)
        closed = Close(
            flow=number, protocol="tcp", direction=direction, local=ends[0], remote=ends[1],
            bytes_out=moved[0], bytes_in=moved[1], packets_out=moved[0] // 1400 + 3,
            packets_in=moved[1] // 1400 + 3, duration=int(seconds * SECOND), actor=actor,
        )  # fmt: skip
        self.tell(closed)

    def serve(self, draw: Random, out: float, into: float = 20_000) -> None:
        """Let bytes go over the session's own connection, as sftp-server and scp do."""
        self.out += int(out)
        self.into += int(into)
        self.wait((out + into) / draws.lognormal(draw, _SPEED, _SPEED_SIGMA))

    def read(self, actor: Actor, path: str, owner: int, size: int = 1200) -> None:
        """Tell that a program read a sensitive file of somebody's."""
        self.tell(Read(path=path, tree=path, paths=(path,), bytes=size, actor=actor, owner=owner))

    @contextmanager
    def login(self, draw: Random) -> Iterator[Shell]:
        """Let the same person log in beside, the same way: behind a bastion it forwards the connection."""
        port = draw.randrange(20_000, 60_000)
        source, begun, parent = Endpoint(ip=self.source.ip, port=port), self.at, self.parent
        flow = parent.machine.flow() if parent is not None else 0
        shell = Shell(self.world, self.machine, self.account, begun, source, parent=parent)
        if parent is not None:
            opened = Open(
                flow=flow, protocol="tcp", direction="out", local=source, remote=self.ssh_end,
                actor=parent.server,
            )  # fmt: skip
            parent.tell(opened, begun - SECOND // 10)
        yield shell
        shell.logout()
        self.at = shell.at
        if parent is not None:
            ends, seconds = (source, self.ssh_end), (shell.at - begun) / SECOND
            parent.at = begun
            parent.carry(ends, parent.server, (shell.into, shell.out), seconds, flow=flow)
            parent.out += shell.out
            parent.into += shell.into

    @contextmanager
    def hop(
        self, draw: Random, machine: Machine, *argv: str, account: Account | None = None
    ) -> Iterator[Shell]:
        """Go on to another machine by ssh, and come back when that session ends."""
        actor = self.run(*(argv or ("ssh", machine.host.name)), seconds=0.0)
        if argv and argv[0] != "ssh":
            actor = self.run("ssh", "-x", machine.host.name, argv[0], seconds=0.0)
        here = Endpoint(ip=self.machine.host.ip, port=self.machine.port())
        there = Endpoint(ip=machine.host.ip, port=_SSH)
        flow, begun = self.machine.flow(), self.at
        opened = Open(flow=flow, protocol="tcp", direction="out", local=here, remote=there, actor=actor)
        self.tell(opened, begun + SECOND)
        arrives = begun + int(draw.uniform(0.2, 0.6) * SECOND)
        shell = Shell(self.world, machine, account or self.account, arrives, here, parent=self)
        yield shell
        shell.logout()
        seconds = (shell.at - begun) / SECOND
        # what the other end sent came in here
        self.carry((here, there), actor, (shell.into, shell.out), seconds, flow=flow)
        self.at = shell.at

    def logout(self) -> None:
        """End the session, with the bytes of its own connection."""
        seconds = (self.at - self._began) / SECOND
        ended, self.at = self.at, self._began
        ends, moved = (self.ssh_end, self.source), (self.out, self.into)
        self.carry(ends, self.server, moved, seconds, direction="in", flow=self._flow)
        self.at = ended
        user, pid = self.account.name, self._sshd
        self.tell(Disconnected(program="sshd", user=user, pid=pid, source=self.source))
        self.tell(SessionClose(program="sshd", user=user, pid=pid, session=self.session))


def _reported(size: int, seconds: float) -> list[float]:
    """Return at which parts of a transfer the agent reports: as bytes reach a step, and each minute."""
    parts = {step / size for step in _STEPS if step < size}
    if size > _STEPS[0]:
        minutes = int(seconds / _MINUTE)
        every = max(1, minutes // _REPORTS)
        parts.update(minute * _MINUTE / seconds for minute in range(every, minutes, every))
    return sorted(part for part in parts if part * seconds >= 1.0 and part < 1.0)
