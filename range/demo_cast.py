"""Who acts in the demo on a fleet, and what they type: an insider, and a benign twin going the same way."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from .demo_join import VISITOR
from .hosts.people import home_address
from .scenario import BACKUP, EVERYTHING, HTTP, Person, Prepared, Scenario, Step, Truth

HOSTS = ("bastion", "app")
_BYTES = 9_000_000
"""A little more than `inbound-download` asks for, so that a report on the way is not told before the end."""
ORGANISATION = """\
service_accounts = ["deploy"]

[[network]]
cidr = "10.77.0.0/24"
use = "own"
"""
"""What the collector is told of the company: its own network, and an account that is nobody's."""
ARCHIVE = "/home/alice/release.tgz"
"""What alice has on her laptop at the end."""


@dataclass(frozen=True)
class Scene:
    """One command on the laptop, and its lines as a person reads them."""

    command: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Act:
    """What a person does, from the laptop at an address outside."""

    title: str
    person: str
    address: str
    scenes: tuple[Scene, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The scenes as steps of a scenario."""
        return tuple(Step(self.person, scene.command) for scene in self.scenes)


def _over_the_bastion(person: str, *commands: str) -> Scene:
    """Return commands on app, in a session that came from one on bastion."""
    inner = f"ssh app {shlex.quote(' && '.join(commands))}"
    shown = (f"{person}@laptop$ ssh bastion", f"{person}@bastion$ ssh app")
    return Scene(
        f"ssh {person}@bastion {shlex.quote(inner)}", (*shown, *(f"{person}@app$ {one}" for one in commands))
    )


def _by_sftp(person: str, request: str) -> Scene:
    """Return a request of a remote sftp client, jumping over bastion."""
    words = f"sftp -q -J {person}@bastion"
    return Scene(
        f"echo {shlex.quote(request)} | {words} -b - {person}@app",
        (f"{person}@laptop$ sftp -J bastion app", f"sftp> {request}"),
    )


_SHARED = "-o ControlMaster=auto -o ControlPath=~/.ssh/%h -o ControlPersist=30 -J alice@bastion"
"""One connection for all sessions to a host, as many people set it up."""
_PACK = "sudo -u deploy tar czf /tmp/release.tgz -C /srv designs"
INSIDER = Act(
    "alice may do the same. She packs the designs, and fetches them over the connection she came in by:",
    "alice",
    home_address(0),
    (
        Scene(
            f"ssh {_SHARED} alice@app {shlex.quote(_PACK)} && "
            f"echo 'get /tmp/release.tgz' | sftp -q {_SHARED} -b - alice@app; "
            f"done=$?; ssh -q {_SHARED} -O exit alice@app; exit $done",
            (
                "alice@laptop$ ssh -J bastion app",
                f"alice@app$ {_PACK}",
                "alice@laptop$ sftp -J bastion app",
                "sftp> get /tmp/release.tgz",
            ),
        ),
    ),
)
TWIN = Act(
    f"bob's daily work: as the service account he sends an archive to the backup host ({BACKUP}), "
    "and brings a build:",
    "bob",
    home_address(1),
    (
        _over_the_bastion(
            "bob",
            "sudo -u deploy tar czf /tmp/daily.tgz -C /srv designs",
            f"sudo -u deploy curl -sST /tmp/daily.tgz http://{BACKUP}:{HTTP}/daily.tgz",
        ),
        Scene(f"head -c {_BYTES} /dev/urandom > build", ()),
        _by_sftp("bob", "put build"),
    ),
)
SCENARIO = Scenario(
    number=25,
    title="laptop to bastion to app, sudo to a service account, sftp get by a remote client",
    people=(
        Person(INSIDER.person, HOSTS, EVERYTHING),
        Person(TWIN.person, HOSTS, EVERYTHING),
        Person(VISITOR, HOSTS, EVERYTHING),
    ),
    prepared=(
        Prepared(
            "app",
            "useradd --create-home --shell /bin/bash deploy; mkdir /srv/designs; "
            f"head -c {_BYTES} /dev/urandom > /srv/designs/board.bin; "
            "chown -R deploy /srv/designs; chmod 700 /srv/designs",
        ),
    ),
    steps=INSIDER.steps,
    twin_title="the daily archive to the backup host, and a build brought along",
    twin=lambda _draw: TWIN.steps,
    truth=Truth(INSIDER.person, HOSTS, ("inbound-download",), _BYTES),
)
"""What is played, in the range's form; alice and bob have the laptops of their places in people."""
