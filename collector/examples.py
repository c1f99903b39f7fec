"""What the examples of rules share: alice at work on a host in her session, and what the operator told."""

from __future__ import annotations

from typing import Any

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Ancestor, Exec

from .organisation.known import Human, Organisation, Window
from .rule import BEGIN, Step, Story

DAY = 86_400.0
_NS = 1_000_000_000
BASH = Ancestor(pid=40, exe="/usr/bin/bash")
CRON = Ancestor(pid=3, exe="/usr/sbin/cron")
DPKG = Ancestor(pid=41, exe="/usr/bin/dpkg")
WINDOW = Organisation(change_windows=(Window(BEGIN - _NS, BEGIN + int(400 * DAY) * _NS, "announced work"),))
"""All that happens in an example is announced."""
SERVICE = Organisation(service_accounts=("alice",))
"""alice is the account of a robot."""
PEERS = ("pam", "pat", "paul", "petra")
TEAM = Organisation(people=tuple(Human(name, (name,), role="data") for name in ("alice", *PEERS)))
"""alice has colleagues who do the same work."""
AWAY = Endpoint(ip="203.0.113.9", port=443)


def run(*argv: str, **fields: Any) -> Exec:
    """Return alice running a command as root in her session, from the system's folder of programs."""
    path = argv[0] if argv[0].startswith("/") else f"/usr/bin/{argv[0]}"
    values: dict[str, Any] = {"pid": 50, "uid": 0, "auid": 1000, "session": 7, "login": "alice"} | fields
    values.setdefault("tty", "pts/0")
    return Exec(exe=values.pop("exe", path), argv=argv, **values)


def alice(exe: str = "/usr/bin/bash", **fields: Any) -> Actor:
    """Return alice's process as the actor of an event, as root."""
    return Actor(**{"pid": 50, "exe": exe, "uid": 0, "auid": 1000, "session": 7, **fields})


def at_once(why: str, *bodies: Any, organisation: Organisation | None = None) -> Story:
    """Return a story of events that follow each other by a second."""
    steps = tuple(Step(second, body) for second, body in enumerate(bodies))
    return Story(why, steps, organisation=organisation)


def by_cron(*argv: str, **fields: Any) -> tuple[SessionOpen, Exec]:
    """Return root's timer, which opens a session of its own, and what it runs."""
    opened = SessionOpen(program="cron", user="root", auid=0, session=9, pid=44)
    return opened, run(*argv, auid=0, session=9, login="root", tty=None, ancestry=(CRON,), **fields)


def login(user: str = "alice", ip: str = "198.51.100.7", key: str | None = "SHA256:alice") -> Accepted:
    """Return a login over ssh, which no session has joined yet."""
    return Accepted(
        program="sshd", user=user, method="publickey", fingerprint=key, source=Endpoint(ip=ip, port=50_000)
    )


def opened(user: str = "alice", uid: int = 1000, session: int = 7) -> SessionOpen:
    """Return the opening of a session over ssh."""
    return SessionOpen(program="sshd", user=user, auid=uid, session=session, pid=70)


def colleagues() -> tuple[Step, ...]:
    """Return alice's session, and those of her colleagues: numbers 20 and on, user ids 2020 and on."""
    theirs = [Step(0, opened(name, 2020 + at, 20 + at)) for at, name in enumerate(PEERS)]
    return (Step(0, opened()), *theirs)


def colleague(at: int, day: int, exe: str) -> Actor:
    """Return a colleague's process, by their place in PEERS, in a session of that day."""
    return Actor(pid=90 + at, exe=exe, uid=2020 + at, auid=2020 + at, session=200 + 10 * day + at)


def sent(count: int, flow: int = 1, to: Endpoint = AWAY, actor: Actor | None = None) -> Close:
    """Return an outbound connection of alice's that ended."""
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip="10.0.0.5", port=50_000),
        remote=to,
        bytes_out=count,
        bytes_in=300,
        actor=actor or alice("/usr/bin/curl", uid=1000),
    )
