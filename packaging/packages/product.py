"""What each of our packages ships: its own modules, commands, units and budgets."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PACKAGING = Path(__file__).parents[1]
ROOT = PACKAGING.parent
PREFIX = "/usr/lib/vedette"


@dataclass(frozen=True)
class Program:
    """A command: its name on the path, the module whose main() it calls, and its section of the manual."""

    name: str
    module: str
    section: int
    title: str


@dataclass(frozen=True)
class Product:
    """One package with programs of ours."""

    which: Literal["agent", "collector"]
    own: tuple[str, ...]
    """Import packages of this repository that it ships."""
    left_out: tuple[str, ...]
    """Files of those that it does not ship, relative to the repository."""
    programs: tuple[Program, ...]
    units: tuple[str, ...]
    most_packed: int | None
    """Bytes of the deb or rpm at most."""
    most_installed: int | None

    @property
    def name(self) -> str:
        """Name of the package."""
        return f"vedette-{self.which}"

    @property
    def home(self) -> str:
        """Folder on the target that holds python/."""
        return f"{PREFIX}/{self.which}"


AGENT = Product(
    which="agent",
    own=("agent", "evidence"),
    left_out=(),
    programs=(Program("vedette-agent", "agent.cli", 8, "Vedette agent"),),
    units=("vedette-watch.service", "vedette-ship.service", "vedette-enroll.service", "vedette-enroll.path"),
    most_packed=25_000_000,
    most_installed=60_000_000,
)
COLLECTOR = Product(
    which="collector",
    own=("collector", "client", "evidence"),
    # The range starts hosts and attacks them: it stays in the repository, with its verb.
    left_out=("client/commands/range.py",),
    programs=(
        Program("vedette-collector", "collector.cli", 8, "Vedette collector"),
        Program("vedette", "client.cli", 1, "Vedette"),
    ),
    units=("vedette-collector.service",),
    most_packed=None,
    most_installed=None,
)
PRODUCTS = (AGENT, COLLECTOR)


def version() -> str:
    """Return the version that pyproject.toml names."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found
