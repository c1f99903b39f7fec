"""Which agent a benchmark runs: that of this checkout, or that of a package, with the Python it brings.

A package's agent runs as its units do: watch and ship each started for itself, ship as a user without rights,
with no supervisor beside them. A checkout's is `vedette-agent run`: supervisor, watch and ship.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.supervision import privilege
from tests.bench.proc_figures import family

ROOT = Path(__file__).parents[2]
_PYTHON = "usr/lib/vedette/agent/python/bin/python3"
_LONGEST_STOP = 30.0


@dataclass(frozen=True)
class Running:
    """An agent at work: the processes that were started, in the order in which they are stopped."""

    started: tuple[subprocess.Popen[bytes], ...]

    def pids(self) -> list[int]:
        """Return all its processes."""
        return [pid for one in self.started for pid in family(one.pid)]

    def stop(self) -> None:
        """End it.

        Raises:
            RuntimeError: a part of it had ended before, so what was measured was not the whole agent.
        """
        ended = [one.args for one in self.started if one.poll() is not None]
        for one in self.started:
            one.terminate()
            try:
                one.wait(_LONGEST_STOP)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        if ended:
            raise RuntimeError(f"ended while it was measured: {ended}")


@dataclass(frozen=True)
class Program:
    """An agent's command line: the interpreter, the folder it is started in, and whether it runs as units."""

    python: tuple[str, ...]
    folder: Path
    as_units: bool

    def command(self, config: Path, *words: str) -> list[str]:
        """Return the command line of one verb."""
        return [*self.python, "-m", "agent.cli", *words, "--config", str(config)]

    def enrol(self, config: Path, token: str) -> None:
        """Enrol as a user would."""
        line = self.command(config, "enroll")
        subprocess.run(line, cwd=self.folder, input=token, text=True, check=True, stdout=subprocess.DEVNULL)

    def start(self, config: Path) -> Running:
        """Start the agent of an enrolled host."""
        if not self.as_units:
            return Running((subprocess.Popen(self.command(config, "run"), cwd=self.folder),))
        watch = subprocess.Popen(self.command(config, "watch"), cwd=self.folder)
        return Running((watch, self._start_ship(config)))

    def _start_ship(self, config: Path) -> subprocess.Popen[bytes]:
        line, account = self.command(config, "ship"), privilege.ship_account()
        if account is None:
            return subprocess.Popen(line, cwd=self.folder, umask=0o077)
        return subprocess.Popen(
            line, cwd=self.folder, umask=0o077, user=account.uid, group=account.gid, extra_groups=()
        )


CHECKOUT = Program((sys.executable,), ROOT, as_units=False)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add --package to a benchmark's options."""
    parser.add_argument(
        "--package", type=Path, metavar="DEB", help="measure this package's agent, not this checkout's"
    )


@contextlib.contextmanager
def chosen(package: Path | None) -> Iterator[Program]:
    """Give the agent of a package (a deb), unpacked for as long as it is used; of this checkout for None.

    Raises:
        SystemExit: the file is no package of the agent.
    """
    if package is None:
        yield CHECKOUT
        return
    with tempfile.TemporaryDirectory(prefix="vedette-package-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # ship, another user, runs what is in it
        done = subprocess.run(
            ["dpkg-deb", "-x", package, folder], check=False, capture_output=True, text=True
        )
        if done.returncode or not (folder / _PYTHON).exists():
            raise SystemExit(f"{package} is no Debian package of the agent {done.stderr.strip()}".rstrip())
        yield Program((str((folder / _PYTHON).resolve()), "-I"), Path("/"), as_units=True)
