"""What acts are given: the session they happen in, whose it is, and what they may choose from."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from . import draws, sizes
from .people import Person
from .place import Place
from .settings import Volumes
from .shell import Account, Shell
from .world import Machine, World

_USED = 3
"""Hosts of a role that somebody goes on to."""
DEPLOY = Account("deploy", 1500, "SHA256:deploy-of-the-fleet")
"""The service account that releases are made with."""


@dataclass(frozen=True)
class Doing:
    """A person's session, with its own random numbers."""

    shell: Shell
    person: Person
    draw: Random

    @property
    def world(self) -> World:
        """The fleet."""
        return self.shell.world

    @property
    def volumes(self) -> Volumes:
        """How much is moved."""
        return self.world.settings.volumes

    def size(self) -> float:
        """Return the bytes of a transfer by this person."""
        return sizes.file(self.draw, self.volumes, self.person.factor)

    def other(self, role: str) -> Machine | None:
        """Return another machine of a role that runs now: mostly one of the few they always use."""
        found = [one for one in self.world.there(role, self.shell.at) if one is not self.shell.machine]
        if not found:
            return None
        if self.draw.random() < self.world.settings.rates.new_host:
            return self.draw.choice(found)
        habit = draws.stream(self.world.settings.seed, "others", self.person.account, role)
        staying = [one for one in self.world.machines.values() if one.host.role == role]
        staying = [one for one in staying if not one.host.autoscaled]
        used = [one for one in habit.sample(staying, min(_USED, len(staying))) if one in found]
        return draws.zipf(self.draw, used or found)

    def think(self) -> None:
        """Let the person think."""
        self.shell.wait(self.draw.expovariate(1 / 12.0) + 0.5)


def upload(doing: Doing, place: Place, size: float, tool: str, name: str = "data") -> None:
    """Send a file to a place with a tool, the way that tool does it."""
    shell, draw = doing.shell, doing.draw
    if place.how == "https" or tool == "curl":
        argv = ("curl", "-sS", "-T", f"{name}.tgz", f"https://{place.name}/in/")
        shell.send(draw, shell.run(*argv, seconds=0.0), place, size * 1.01, 6000 + size / 400)
        return
    line = {
        "scp": ("scp", f"{name}.tgz", f"x@{place.name}:"),
        "rsync": ("rsync", "-az", name, f"x@{place.name}:{name}"),
        "sftp": ("sftp", f"x@{place.name}"),
    }[tool]
    shell.run(*line, seconds=0.0)
    client = shell.run("ssh", "-x", "-l", "x", place.name, "-s", "sftp", seconds=0.0)
    shell.send(draw, client, place, size * 1.02 + 5000, 7000 + size / 300)


def push(doing: Doing, place: Place, size: float, *, by_ssh: bool = True) -> None:
    """Push a repository to a place."""
    shell = doing.shell
    shell.run("git", "push", "origin", "HEAD", seconds=0.0)
    if by_ssh:
        actor = shell.run("ssh", f"git@{place.name}", f"git-receive-pack '{place.name}.git'", seconds=0.0)
    else:
        actor = shell.run("git-remote-https", "origin", f"https://{place.name}/r.git", seconds=0.0)
    shell.send(doing.draw, actor, place, size, 9000)


def fetch(doing: Doing, size: float) -> None:
    """Get files of that size over a login beside, as sftp and scp do from outside."""
    with doing.shell.login(doing.draw) as shell:
        shell.run("sftp-server", seconds=0.0)
        shell.wait(doing.draw.uniform(2, 20))
        shell.serve(doing.draw, size * 1.02, 20_000 + size / 200)
