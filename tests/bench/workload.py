"""Events as a busy server makes them: mean line of 700 bytes and more, a third of all argv unique."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from evidence.event import Event, stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.process import Ancestor, Exec, Exit

_PROGRAMS = (
    ("/usr/bin/rsync", "--archive", "--delete", "--exclude=*.tmp", "/srv/www/"),
    ("/usr/bin/python3.11", "-m", "app.worker", "--queue", "mail", "--config", "/etc/app/worker.toml"),
    ("/usr/sbin/logrotate", "--state", "/var/lib/logrotate/status", "/etc/logrotate.conf"),
    ("/usr/bin/git", "-c", "gc.auto=0", "fetch", "--prune", "origin"),
    ("/usr/bin/kubectl", "get", "pods", "--all-namespaces", "--output=json"),
    ("/bin/sh", "-c", "df -P | awk 'NR>1 {print $5}' | sort -rn | head -1"),
    ("/usr/lib/postgresql/15/bin/pg_dump", "--format=custom", "--compress=6", "orders"),
    ("/usr/bin/curl", "--silent", "--fail", "--max-time", "10", "https://health.internal/ready"),
)
_SESSIONS = 50
"""Audit sessions of one host: 2,000 hosts have 100,000, which is how many entities a collector is to bear."""
_LINEAGES = 600
"""Sessions whose processes are in one batch."""
_SERVICES = 2000
"""Where connections go. Most carry little: their bytes are even on a logarithmic scale."""
_UNITS = ("cron.service", "app-worker.service", "session-41.scope", "kubelet.service", "postgresql.service")


def events(count: int, seed: int, first: int = 1) -> list[Event[Body]]:
    """Return count events; another seed gives others."""
    chance = random.Random(seed)  # noqa: S311 - a workload, the same each time
    lineages = [_lineage(chance) for _ in range(_LINEAGES)]
    start = 1_790_000_000_000_000_000 + seed * 1_000_000_000
    return [
        stamp(_body(chance, lineages), seq=first + at, time=start + at * 977_131, mono=at * 977_131)
        for at in range(count)
    ]


def _lineage(chance: random.Random) -> tuple[Ancestor, ...]:
    """Return the ancestors of one session: its processes have them in common."""
    return tuple(
        Ancestor(pid=chance.randrange(2, 40_000), start=chance.randrange(1 << 40), exe=exe)
        for exe in ("/bin/bash", "/usr/bin/sudo", "/bin/bash", "/usr/sbin/sshd", "/usr/lib/systemd/systemd")
    )


def _body(chance: random.Random, lineages: Sequence[tuple[Ancestor, ...]]) -> Body:
    what = chance.random()
    if what < 0.75:
        return _exec(chance, chance.choice(lineages))
    return _exit(chance) if what < 0.8 else _close(chance)


def _exec(chance: random.Random, lineage: tuple[Ancestor, ...]) -> Exec:
    program = chance.choice(_PROGRAMS)
    extra = (f"--job={chance.getrandbits(64):016x}", f"/srv/data/{chance.getrandbits(32):08x}")
    argv = program + (extra if chance.random() < 0.5 else ())
    uid = chance.choice((0, 33, 1000, 1001, 1002, 1003))
    unit = chance.choice(_UNITS)
    return Exec(
        pid=chance.randrange(2, 4_000_000),
        start=chance.randrange(1 << 50),
        ppid=lineage[0].pid,
        parent_start=lineage[0].start,
        exe=program[0],
        cwd=f"/srv/app/releases/{chance.randrange(40):04d}/current",
        argv=argv,
        argv_length=sum(map(len, argv)) + len(argv),
        sha256=hashlib.sha256(program[0].encode()).hexdigest(),
        uid=uid,
        gid=uid,
        euid=uid,
        auid=chance.choice((None, 1000, 1001, 1002)),
        session=chance.randrange(1, 1 + _SESSIONS),
        tty=None,
        cgroup=f"/system.slice/{unit}/payload",
        unit=unit,
        ancestry=lineage,
    )


def _exit(chance: random.Random) -> Exit:
    return Exit(
        pid=chance.randrange(2, 4_000_000),
        start=chance.randrange(1 << 50),
        exe=chance.choice(_PROGRAMS)[0],
        uid=chance.choice((0, 33, 1000, 1001)),
        code=0,
        duration=chance.randrange(10**10),
    )


def _close(chance: random.Random) -> Close:
    program = chance.choice(_PROGRAMS)
    actor = Actor(
        pid=chance.randrange(2, 4_000_000),
        start=chance.randrange(1 << 50),
        exe=program[0],
        cmd_line=" ".join(program),
        uid=chance.choice((0, 33, 1000)),
        auid=chance.choice((None, 1000, 1001)),
        session=chance.randrange(1, 1 + _SESSIONS),
        unit=chance.choice(_UNITS),
    )
    service = chance.randrange(_SERVICES)
    return Close(
        flow=chance.getrandbits(62),
        protocol="tcp",
        direction="out",
        local=Endpoint(ip="10.0.3.17", port=chance.randrange(32_768, 61_000)),
        remote=Endpoint(
            ip=f"10.{service % 7}.{service % 251}.{1 + service % 253}",
            port=443,
            name=f"svc-{service}.internal.example",
        ),
        bytes_out=chance.randrange(1 << chance.randrange(8, 24)),
        bytes_in=chance.randrange(1 << chance.randrange(8, 26)),
        duration=chance.randrange(10**11),
        actor=actor,
    )
