"""The packages under test: the collector, and two versions of the agent that differ in their number alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.packages.errors import RootFailed
from tests.packages.roots import CACHE

TREE = Path(__file__).parents[2]
OLD, NEW = "0.1.0", "0.1.1"
INSIDE = "/packages"


@dataclass(frozen=True)
class Packages:
    """A folder of debs, seen inside as /packages."""

    folder: Path

    def agent(self, version: str) -> str:
        """Return where a version of the agent lies inside."""
        return f"{INSIDE}/vedette-agent_{version}-1_amd64.deb"

    @property
    def collector(self) -> str:
        """Where the collector lies inside."""
        return f"{INSIDE}/vedette-collector_{OLD}-1_amd64.deb"


def packages(given: Path | None) -> Packages:
    """Return the packages in a folder given, else make them of this tree.

    Raises:
        RootFailed: one is missing, or could not be made; with what the build said.
    """
    if given is not None:
        return Packages(given.absolute())
    out = CACHE / "packages-to-boot"
    for product, version in (("agent", OLD), ("agent", NEW), ("collector", OLD)):
        done = subprocess.run(
            [sys.executable, "-m", "packages", "--out", str(out), "--only", product, "--version", version],
            cwd=TREE,
            env={**os.environ, "PYTHONPATH": "packaging:."},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RootFailed(f"no packages to install:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Packages(out)
