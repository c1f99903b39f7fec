"""What people do in a session by day, with good reason; many acts look like the beginning of a bad one."""

from __future__ import annotations

from collections.abc import Callable

from evidence.kind import Endpoint
from evidence.kinds.state import Changed

from . import draws, sizes
from .doing import DEPLOY, Doing, fetch, push
from .place import SERVICES
from .shell import SECOND

_LOOKS: tuple[tuple[str, ...], ...] = (
    ("ls", "-la"), ("tail", "-n", "200", "/var/log/app/app.log"), ("cat", "/etc/app/app.conf"),
    ("grep", "-i", "error", "/var/log/app/app.log"), ("ps", "aux"), ("df", "-h"), ("systemctl", "status"),
    ("journalctl", "-u", "app", "-n", "100"), ("less", "/var/log/app/app.log"), ("top", "-b", "-n1"),
    ("free", "-m"), ("uptime",), ("ss", "-tlnp"), ("du", "-sh", "."), ("find", ".", "-name", "*.log"),
    ("who",), ("id",), ("date",), ("wc", "-l", "data.csv"), ("head", "data.csv"), ("hostname",),
)  # fmt: skip
"""Commands by how often they are used: ranks follow Zipf (as in Schonlau's 2001 data of shell users)."""
_GITHUB, _REGISTRY, _DEBIAN = SERVICES[0], SERVICES[2], SERVICES[4]
_DATABASE_PORT = 5432
_CRON = "/etc/cron.d/"


def look(doing: Doing) -> None:
    """Run a command that shows something."""
    argv = draws.zipf(doing.draw, _LOOKS)
    doing.shell.run(*argv, seconds=min(draws.lognormal(doing.draw, 0.05, 1.5), 600))
    doing.shell.out += int(sizes.output(doing.draw, doing.volumes))
    doing.shell.into += 900


def _git(doing: Doing) -> None:
    draw = doing.draw
    if draw.random() < 0.5:  # noqa: PLR2004 - as often as a pull
        push(doing, _GITHUB, sizes.push(draw, doing.volumes))
        return
    doing.shell.run("git", "pull", "--rebase", seconds=0.0)
    actor = doing.shell.run("ssh", f"git@{_GITHUB.name}", "git-upload-pack 'r.git'", seconds=0.0)
    doing.shell.send(draw, actor, _GITHUB, 5000, sizes.push(draw, doing.volumes) * 4)


def _edit(doing: Doing) -> None:
    doing.shell.run("vim", "main.py", seconds=min(draws.lognormal(doing.draw, 180, 1.0), 3600))
    doing.shell.out += int(draws.lognormal(doing.draw, 60_000, 1.0))


def _curl(doing: Doing) -> None:
    """Ask an API, or post a small thing; now and then of somebody outside."""
    places = [*SERVICES[1:4], *doing.person.places]
    place = doing.draw.choice(places)
    actor = doing.shell.run("curl", "-fsS", f"https://{place.name}/v1/status", seconds=0.0)
    doing.shell.send(doing.draw, actor, place, draws.lognormal(doing.draw, 900, 0.8), 4000)


def _download(doing: Doing) -> None:
    place = doing.draw.choice(SERVICES[1:5])
    actor = doing.shell.run("curl", "-LO", f"https://{place.name}/a.tar.gz", seconds=0.0)
    size = doing.size() * 5
    doing.shell.send(doing.draw, actor, place, 900 + size / 2000, size)
    doing.shell.run("tar", "xzf", "a.tar.gz", seconds=2.0)


def _package(doing: Doing) -> None:
    actor = doing.shell.sudo("apt-get", "install", "-y", "jq")
    doing.shell.send(doing.draw, actor, _DEBIAN, 3000, draws.lognormal(doing.draw, 900_000, 1.2))
    doing.shell.run("dpkg", "--unpack", "jq.deb", uid=0, seconds=1.0)


def _query(doing: Doing) -> None:
    database = doing.other("db")
    if database is None:
        return
    actor = doing.shell.run("psql", "-h", database.host.name, "orders", seconds=0.0)
    end = Endpoint(ip=database.host.ip, port=_DATABASE_PORT)
    doing.shell.send(doing.draw, actor, end, draws.lognormal(doing.draw, 4000, 1.0), doing.size())


def _container(doing: Doing) -> None:
    doing.shell.run("docker", *doing.draw.choice((("ps",), ("logs", "app"), ("exec", "app", "ls"))))


def _copy(doing: Doing) -> None:
    """Copy files to another machine of the fleet."""
    other = doing.other(doing.draw.choice(doing.person.duty.hosts))
    if other is None:
        return
    with doing.shell.hop(doing.draw, other, doing.draw.choice(("scp", "rsync")), "data") as there:
        there.run("sftp-server", seconds=0.0)
        there.into += int(doing.size())
        there.wait(doing.draw.uniform(1, 30))


def _archive(doing: Doing) -> None:
    """Pack something up to look at it elsewhere; half of the time it is fetched."""
    name = doing.draw.choice(("logs", "release", "site", "report"))
    doing.shell.run("tar", "czf", f"/tmp/{name}.tgz", name, seconds=doing.draw.uniform(1, 60))  # noqa: S108 - told, not done
    if doing.draw.random() < 0.5:  # noqa: PLR2004 - see above
        _fetch(doing)


def _fetch(doing: Doing) -> None:
    """Fetch files over a second login, as sftp and scp do from outside."""
    size = doing.size()
    if doing.draw.random() < doing.world.settings.rates.large_fetch:
        size *= 20
    fetch(doing, size)


def _dump(doing: Doing) -> None:
    """Dump a database to the backup host."""
    backup = doing.other("backup")
    doing.shell.run("pg_dump", "--format=custom", "orders", seconds=doing.draw.uniform(10, 300))
    if backup is not None:
        with doing.shell.hop(doing.draw, backup, "scp", "orders.dump") as there:
            there.into += int(doing.size() * 10)
            there.wait(doing.draw.uniform(5, 120))


def _service(doing: Doing) -> None:
    """Act for the account that releases are made with."""
    doing.shell.sudo("ls", "/srv/app/current", target=DEPLOY.name, uid=DEPLOY.uid)


def _root(doing: Doing) -> None:
    lines = (("systemctl", "restart", "app"), ("journalctl", "-n", "500"), ("cat", "/var/log/auth.log"))
    doing.shell.sudo(*doing.draw.choice(lines), seconds=1.0)
    doing.shell.out += int(sizes.output(doing.draw, doing.volumes) * 4)


def _secret(doing: Doing) -> None:
    """Look, as root, at what is another's: whether an account is locked, which key is installed."""
    path = doing.draw.choice(("/etc/shadow", "/etc/ssh/ssh_host_ed25519_key"))
    actor = doing.shell.sudo("grep", "-c", "!", path)
    doing.shell.read(actor, path, owner=0)


def _schedule(doing: Doing) -> None:
    """Install a cron table that checks something of the fleet's own."""
    actor = doing.shell.sudo("tee", _CRON + "check-queue")
    line = "*/10 * * * * root /usr/local/bin/check-queue"
    told = Changed(
        source="cron", subject=_CRON + "check-queue", path=_CRON + "check-queue", change="appeared",
        added=(line,), actor=actor,
    )  # fmt: skip
    doing.shell.tell(told, doing.shell.at + 2 * SECOND)


def _tunnel(doing: Doing) -> None:
    """Hold a tunnel to a database open."""
    database = doing.other("db")
    if database is not None:
        line = ("ssh", "-N", "-L", "15432:localhost:5432", database.host.name)
        with doing.shell.hop(doing.draw, database, *line) as there:
            there.out += int(doing.size())
            there.wait(doing.draw.uniform(600, 7200))


ACTS: dict[str, Callable[[Doing], None]] = {
    "git": _git,
    "edit": _edit,
    "curl": _curl,
    "download": _download,
    "package": _package,
    "query": _query,
    "container": _container,
    "copy": _copy,
    "archive": _archive,
    "fetch": _fetch,
    "dump": _dump,
    "service": _service,
    "root": _root,
    "secret": _secret,
    "schedule": _schedule,
    "tunnel": _tunnel,
}
"""By the names that `people.ROLES` gives weights to."""
