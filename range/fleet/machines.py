"""What machines do by themselves, hour by hour: checks, cron, traffic of services, backups, deployments."""

from __future__ import annotations

from random import Random

import msgspec

from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.agent import Heartbeat, Start, Stop
from evidence.kinds.connection import Close, Direction, Open
from evidence.kinds.dns import Query
from evidence.kinds.login import Failed, SessionClose, SessionOpen
from evidence.kinds.process import Ancestor, Exec, Exit
from evidence.kinds.state import Host as Inventory
from evidence.kinds.state import Interface

from . import draws, programs
from .calendar import Calendar
from .doing import DEPLOY
from .hosts import DAY, HOUR
from .place import SERVICES
from .shell import SECOND, Shell
from .world import Machine, World

VERSION = "0.1.0"
BACKUP = Endpoint(ip="192.0.2.10", port=22)
"""The organisation's own store outside, which it lists."""
_SYSTEMD = Ancestor(pid=1, start=1, exe="/usr/lib/systemd/systemd")
_TELEMETRY = SERVICES[6]
_MINUTE = 60 * SECOND
_GUESSES = 8
_SENSORS = {"process": "bpf", "connection": "bpf", "login": "journal", "file": "fanotify", "dns": "bpf"}


class Job(msgspec.Struct, frozen=True):
    """Programs that a unit runs in order, each so many minutes, on hosts of these roles (all if none)."""

    unit: str
    minutes: int
    lines: tuple[tuple[str, ...], ...]
    roles: tuple[str, ...] = ()
    uid: int = 0


class Traffic(msgspec.Struct, frozen=True):
    """Connections of a service, told together each so many minutes: bytes out are lognormal, sigma 1."""

    program: str
    minutes: int
    direction: Direction
    out: float
    into: float
    port: int
    to: str | None = None
    """Role of the hosts at the other end; None for the telemetry service outside."""
    roles: tuple[str, ...] = ()
    uid: int = 998


JOBS = (
    Job("checks.service", 8, (("sh", "-c", "check-all"), ("df", "-P"), ("pgrep", "-c", "sshd"))),
    Job("cron.service", 60, (("sh", "-c", "run-parts /etc/cron.hourly"), ("run-parts", "/etc/cron.hourly"))),
    Job("logrotate.service", 1440, (("logrotate", "/etc/logrotate.conf"), ("gzip", "/var/log/app.log.1"))),
    Job("apt-daily.service", 720, (("apt-get", "update"),)),
    Job("ci-runner.service", 15, (("git", "fetch"), ("make", "test"), ("pytest",)), ("build",), 1500),
    Job("etl.service", 30, (("python3", "load.py"), ("gzip", "part.csv")), ("data",), 997),
)  # fmt: skip
TRAFFIC = (
    Traffic("node_exporter", 10, "in", 60_000, 900, 9100, "bastion"),
    Traffic("telemetry", 30, "out", 90_000, 4000, 443),
    Traffic("app-server", 10, "out", 40_000, 300_000, 5432, "db", ("app",)),
    Traffic("nginx", 10, "out", 200_000, 2_000_000, 8080, "app", ("web",)),
    Traffic("postgres", 15, "out", 900_000, 9000, 5432, "db", ("db",)),
)
"""Periods and sizes are inferred; together they make about seventy events an hour of each host."""
_BACKUP = Job(
    "cron.service", 0, (("tar", "czf", "/backup/all.tgz", "/srv"), ("rsync", "-a", "/backup/", "to:"))
)


class Machines:
    """What the hosts of a world do by themselves."""

    def __init__(self, world: World, calendar: Calendar) -> None:
        self.world, self.calendar = world, calendar
        self._settings = world.settings
        self._daemons = {name: _daemons(one) for name, one in world.machines.items()}

    def hour(self, begin: int) -> None:
        """Tell what happens in the hour that begins then (UTC ns)."""
        peers = {role: self.world.there(role, begin) for role in ("db", "app", "bastion", "backup", "build")}
        for name, machine in self.world.machines.items():
            host = machine.host
            if host.begins < begin + HOUR and begin < host.ends:
                draw = draws.stream(self._settings.seed, "machine", name, begin)
                self._agent(machine, begin)
                for job in JOBS:
                    if not job.roles or host.role in job.roles:
                        self._job(draw, machine, job, begin)
                for one in TRAFFIC:
                    if not one.roles or host.role in one.roles:
                        self._traffic(draw, machine, one, begin, peers)
        if peers["bastion"]:
            self._guesses(peers["bastion"][0], begin)
        self._nightly(begin, peers)

    def _agent(self, machine: Machine, begin: int) -> None:
        """Tell of the agent: its start with each run of the host, that it lives, its farewell."""
        host = machine.host
        beating = Heartbeat(events=0, interval=self._settings.heartbeat_seconds, sensors=_SENSORS)
        for number, boot in enumerate(host.boots):
            at = max(boot.at, host.begins)
            if begin <= at < begin + HOUR:
                if number:
                    self.world.tell(machine, at - 40 * SECOND, Stop(reason="reboot"))
                started = Start(version=VERSION, host=host.name, clean=True, os="Debian 12")
                self.world.tell(machine, at, started)
                self.world.tell(machine, at + SECOND, _inventory(machine, boot.id))
                self.world.tell(machine, at + SECOND, beating)
        if begin <= host.ends - SECOND < begin + HOUR and host.autoscaled:
            self.world.tell(machine, host.ends - SECOND, Stop(reason="shutdown"))
        every = int(self._settings.heartbeat_seconds * SECOND)
        at = max(begin, host.begins + _MINUTE)
        first = at + (host.begins - at) % every
        for beat in range(first, begin + HOUR, every):
            self.world.tell(machine, beat, beating)

    def _times(self, draw: Random, machine: Machine, minutes: int, begin: int) -> list[int]:
        """Return when something periodic of a machine happens within the hour, as much as is wanted of it."""
        every = minutes * _MINUTE
        offset = draws.number(self._settings.seed, machine.host.name, minutes) % every
        first = begin + (offset - begin) % every
        times = [at + int(draw.random() * SECOND) for at in range(first, begin + HOUR, every)]
        wanted = self._settings.machine
        return times if wanted >= 1 else [at for at in times if draw.random() < wanted]

    def _job(self, draw: Random, machine: Machine, job: Job, begin: int) -> None:
        for at in self._times(draw, machine, job.minutes, begin):
            when = at
            for argv in job.lines:
                took = int(draw.expovariate(8.0) * SECOND) + 2_000_000
                for body in _ran(machine, when, took, argv, job):
                    self.world.tell(machine, when if isinstance(body, Exec) else when + took, body)
                when += took // 2 + 1_000_000

    def _traffic(
        self, draw: Random, machine: Machine, one: Traffic, begin: int, peers: dict[str, list[Machine]]
    ) -> None:
        actor = self._daemons[machine.host.name][one.program]
        for at in self._times(draw, machine, one.minutes, begin):
            if one.to is None:
                remote = Endpoint(ip=_TELEMETRY.ip, port=443, name=_TELEMETRY.name)
                self.world.tell(machine, at - SECOND // 20, _asked(actor))
            elif not peers[one.to]:
                continue
            else:
                peer = draw.choice(peers[one.to])
                remote = Endpoint(ip=peer.host.ip, port=one.port if one.direction == "out" else None)
            self.world.tell(machine, at, _moved(draw, machine, one, actor, remote))

    def _guesses(self, bastion: Machine, begin: int) -> None:
        """Tell of the internet's guesses at the bastion's passwords; they never succeed."""
        draw = draws.stream(self._settings.seed, "guesses", begin)
        for _ in range(draws.poisson(draw, _GUESSES * self._settings.machine)):
            ip = f"{draw.choice((61, 91, 185, 222))}.{draw.randrange(256)}.{draw.randrange(256)}.9"
            source = Endpoint(ip=ip)
            body = Failed(
                program="sshd", user=draw.choice(("root", "admin", "test", "oracle")), pid=bastion.pid(),
                method="password", source=source, known=False, count=draw.randint(1, 6),
            )  # fmt: skip
            self.world.tell(bastion, begin + int(draw.random() * HOUR), body)

    def _nightly(self, begin: int, peers: dict[str, list[Machine]]) -> None:
        """Back up by cron at two at night, and deploy at ten on release days, as service accounts do."""
        day, hour = divmod(begin - self._settings.begin, DAY)
        if hour == 2 * HOUR:
            for machine in [one for one in self.world.machines.values() if one.host.runs(begin)]:
                if machine.host.role in ("db", "data", "backup"):
                    self._backup(machine, begin, peers["backup"])
        if hour == 10 * HOUR and day in self.calendar.releases and peers["build"]:
            for machine in self.world.there("app", begin):
                self._deploy(peers["build"][0], machine, begin)

    def _backup(self, machine: Machine, begin: int, backups: list[Machine]) -> None:
        draw = draws.stream(self._settings.seed, "backup", machine.host.name, begin)
        at, session, pid = begin + int(draw.uniform(60, 1800) * SECOND), machine.session(), machine.pid()
        opened = SessionOpen(program="cron", user="root", pid=pid, uid=0, auid=0, session=session)
        self.world.tell(machine, at, opened)
        for argv in _BACKUP.lines:
            for body in _ran(machine, at + SECOND, 60 * SECOND, argv, _BACKUP, session=session):
                self.world.tell(machine, at + (SECOND if isinstance(body, Exec) else 61 * SECOND), body)
        own = backups[0].host.ip if backups and backups[0] is not machine else None
        remote = Endpoint(ip=own, port=22) if own is not None else BACKUP
        actor = Actor(
            pid=machine.pid(), start=machine.start(at), exe="/usr/bin/ssh", cmd_line="ssh backup rsync",
            uid=0, auid=0, session=session, unit="cron.service",
        )  # fmt: skip
        size = draws.lognormal(draw, 400_000_000, 1.0)
        sent = Close(
            flow=machine.flow(), protocol="tcp", direction="out", bytes_out=int(size),
            bytes_in=int(size / 300), local=Endpoint(ip=machine.host.ip, port=machine.port()), remote=remote,
            duration=int(size / 50e6 * SECOND), actor=actor,
        )  # fmt: skip
        self.world.tell(machine, at + int((2 + size / 50e6) * SECOND), sent)
        closed = SessionClose(program="cron", user="root", pid=pid, session=session)
        self.world.tell(machine, at + int((70 + size / 50e6) * SECOND), closed)

    def _deploy(self, build: Machine, machine: Machine, begin: int) -> None:
        """Let the build host bring a release to a machine, by ssh as the service account."""
        draw = draws.stream(self._settings.seed, "deploy", machine.host.name, begin)
        at = begin + int(draw.uniform(0, 1800) * SECOND)
        here = Endpoint(ip=build.host.ip, port=build.port())
        actor = Actor(
            pid=build.pid(), start=build.start(at), exe="/usr/bin/ssh", cmd_line="ssh deploy@app",
            uid=DEPLOY.uid, unit="ci-runner.service",
        )  # fmt: skip
        opened = Open(
            flow=build.flow(), protocol="tcp", direction="out", local=here,
            remote=Endpoint(ip=machine.host.ip, port=22), actor=actor,
        )  # fmt: skip
        self.world.tell(build, at, opened)
        shell = Shell(self.world, machine, DEPLOY, at + SECOND // 3, here)
        shell.run("tar", "xzf", "/srv/app/release.tgz", seconds=3.0)
        shell.sudo("systemctl", "restart", "app", seconds=2.0)
        shell.into += int(draws.lognormal(draw, 30_000_000, 0.5))
        shell.logout()


def _ran(
    machine: Machine, at: int, took: int, argv: tuple[str, ...], job: Job, *, session: int | None = None
) -> tuple[Body, Body]:
    """Return a program's beginning and end."""
    exe, pid, start = programs.path(argv[0]), machine.pid(), machine.start(at)
    auid = 0 if session is not None else None
    begun = Exec(
        pid=pid, start=start, ppid=1, parent_start=1, exe=exe, cwd="/", argv=argv,
        argv_length=sum(map(len, argv)) + len(argv), sha256=programs.sha256(exe), uid=job.uid, gid=job.uid,
        euid=job.uid, auid=auid, session=session, cgroup=f"/system.slice/{job.unit}", unit=job.unit,
        ancestry=(_SYSTEMD,),
    )  # fmt: skip
    ended = Exit(
        pid=pid, start=start, exe=exe, uid=job.uid, auid=auid, session=session, code=0, duration=took
    )
    return begun, ended


def _daemons(machine: Machine) -> dict[str, Actor]:
    return {
        one.program: Actor(
            pid=machine.pid(), start=9 * SECOND, exe=programs.path(one.program), cmd_line=one.program,
            uid=one.uid, unit=f"{one.program}.service",
        )
        for one in TRAFFIC
    }  # fmt: skip


def _moved(draw: Random, machine: Machine, one: Traffic, actor: Actor, remote: Endpoint) -> Close:
    port = one.port if one.direction == "in" else None
    return Close(
        flow=machine.flow(), protocol="tcp", direction=one.direction,
        local=Endpoint(ip=machine.host.ip, port=port), remote=remote,
        bytes_out=int(draws.lognormal(draw, one.out, 1.0)),
        bytes_in=int(draws.lognormal(draw, one.into, 1.0)),
        duration=SECOND, flows=draw.randint(2, 40), actor=actor,
    )  # fmt: skip


def _asked(actor: Actor) -> Query:
    return Query(
        name=_TELEMETRY.name, type="A", server=Endpoint(ip="10.0.0.2", port=53), protocol="udp", rcode=0,
        answers=(_TELEMETRY.ip,), ttl=300, duration=2_000_000, actor=actor,
    )  # fmt: skip


def _inventory(machine: Machine, boot: str) -> Inventory:
    interface = Interface(name="eth0", addresses=(f"{machine.host.ip}/24",))
    return Inventory(host=machine.host.name, os="Debian 12", boot=boot, interfaces=(interface,))
