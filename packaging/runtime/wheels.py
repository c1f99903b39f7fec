"""The wheels of each package: which distributions, pinned by hash, for the oldest glibc we support."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import cache, shell
from .interpreter import VERSION
from .toolchain import AMD64, ARCHITECTURES, EPOCH, Architecture, tools

Which = Literal["agent", "collector"]

PACKAGING = Path(__file__).parents[1]
ROOT = PACKAGING.parent
NOT_NEEDED: dict[Which, frozenset[str]] = {
    # The agent speaks TLS itself. rich loads these two only for Markdown and for highlighted source, and
    # the compiled half of cffi, which cryptography loads, needs no parser of C.
    "agent": frozenset({"requests", "pygments", "markdown-it-py", "pycparser"}),
    "collector": frozenset({"pygments", "markdown-it-py", "pycparser", "types-pyyaml", "diskcache-stubs"}),
}
"""Distributions that no running program of ours imports, left out together with what only they need."""
SOURCE_ONLY = frozenset({"pyinotify"})
"""Distributions of which no wheel exists: pure Python, built here."""
_BASELINES = ("manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_5", "manylinux1")
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
_NAME = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_HEADER = "# Made by `python -m runtime lock` from pyproject.toml and requirements.lock: change those.\n"


@dataclass(frozen=True)
class Pinned:
    """One distribution of a lock file."""

    name: str
    version: str
    hashes: frozenset[str]
    wanted_by: frozenset[str]  # "vedette" for what pyproject.toml names itself


def read_lock(text: str) -> dict[str, Pinned]:
    """Return name to pin of a lock file: names, hashes, and "# via" comments where it has them."""
    return {pin.name: pin for pin in map(_pin, re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)) if pin}


def _pin(block: str) -> Pinned | None:
    if not (named := _NAME.match(block)):
        return None
    via = re.findall(r"^    #(?: via)? +([\w.-]+)", block, re.MULTILINE)
    return Pinned(named[1], named[2], frozenset(_HASH.findall(block)), frozenset(via) - {"via"})


def chosen(which: Which, pyproject: str, lock: str) -> list[Pinned]:
    """Return what the package bundles: the dependencies pyproject names for it, and what those need."""
    project = tomllib.loads(pyproject)["project"]
    named = [*project["dependencies"], *project["optional-dependencies"][which]]
    pins = read_lock(lock)
    names = {_canonical(re.split(r"[<>=!~; \[]", requirement)[0]) for requirement in named} - NOT_NEEDED[
        which
    ]
    while more := {
        pin.name
        for pin in pins.values()
        if pin.wanted_by & names and pin.name not in names | NOT_NEEDED[which] and _on_linux(pin, lock)
    }:
        names |= more
    return [pins[name] for name in sorted(names)]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _on_linux(pin: Pinned, lock: str) -> bool:
    return f"{pin.name}=={pin.version} ; sys_platform == 'win32'" not in lock


def lock_file(which: Which) -> Path:
    """Return where the lock of a package stands."""
    return PACKAGING / f"wheels-{which}.lock"


def write_lock(which: Which, folder: Path) -> None:
    """Write the lock of a package: of each distribution only the files that suit us, of every architecture.

    Raises:
        BuildFailed: a distribution has no wheel for our Python and glibc.
    """
    pins = chosen(which, (ROOT / "pyproject.toml").read_text(), (ROOT / "requirements.lock").read_text())
    with tempfile.TemporaryDirectory(prefix=".lock-", dir=folder) as work:
        suiting = {pin.name: sorted(set(_suiting(pin, Path(work)))) for pin in pins}
    blocks = [
        " \\\n".join(
            [f"{pin.name}=={pin.version}", *(f"    --hash=sha256:{one}" for one in suiting[pin.name])]
        )
        for pin in pins
    ]
    lock_file(which).write_text(_HEADER + "\n".join(blocks) + "\n")


def _suiting(pin: Pinned, work: Path) -> Iterator[str]:
    """Yield the hashes of the files of pin that we would install."""
    if pin.name in SOURCE_ONLY:
        yield from pin.hashes
        return
    requirement = work / "requirement"
    requirement.write_text(" ".join(_line(pin)))
    for architecture in ARCHITECTURES:
        target = work / architecture.debian
        command = [*_PIP, "download", "--no-deps", "--require-hashes", *_suitable(architecture)]
        shell.run([*command, "-r", requirement, "-d", target], work)
        for file in target.iterdir():
            yield shell.run(["sha256sum", file], work).split()[0]
            file.unlink()


def _line(pin: Pinned) -> list[str]:
    return [f"{pin.name}=={pin.version}", *(f"--hash=sha256:{one}" for one in sorted(pin.hashes))]


def _suitable(architecture: Architecture) -> list[str]:
    """Return the options that make pip take wheels of our Python and glibc, whatever it runs on itself."""
    abis = (f"cp{VERSION.replace('.', '')}", "abi3", "none")
    platforms = (f"{baseline}_{architecture.wheels}" for baseline in _BASELINES)
    return [
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", VERSION),
        *(word for abi in abis for word in ("--abi", abi)),
        *(word for platform in platforms for word in ("--platform", platform)),
    ]


def install(which: Which, folder: Path, target: Path, architecture: Architecture = AMD64) -> dict[str, str]:
    """Install the locked distributions of a package into target, and return the sha256 of each one's file.

    Raises:
        BuildFailed: one is not to be had with a pinned hash.
    """
    pins = read_lock(lock_file(which).read_text()).values()
    with tempfile.TemporaryDirectory(prefix=".wheels-", dir=folder) as name:
        work = Path(name)
        for list_name, wanted in (("source", True), ("binary", False)):
            lines = [" ".join(_line(pin)) for pin in pins if (pin.name in SOURCE_ONLY) is wanted]
            (work / list_name).write_text("\n".join(lines))
        to: list[str | Path] = [*_PIP, "install", "--no-deps", "--no-compile", "--target", target]
        report = ["--report", "report.json"]
        shell.run([*to, "--require-hashes", *_suitable(architecture), "-r", "binary", *report], work)
        for wheel in _built(work, folder) if (work / "source").read_text() else []:
            shell.run([*to, "--no-index", wheel], work)
        installed = json.loads((work / "report.json").read_text())["install"]
    built = {pin.name: min(pin.hashes) for pin in pins if pin.name in SOURCE_ONLY}
    return built | {
        _canonical(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in installed
    }


def _built(work: Path, folder: Path) -> list[Path]:
    """Build the source-only distributions named in work/source, with the pinned back end."""
    command = [*_PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--require-hashes"]
    environment = {"PYTHONPATH": str(tools(folder)), "SOURCE_DATE_EPOCH": EPOCH}
    shell.run([*command, "-r", "source", "-w", "built"], work, environment)
    return sorted((work / "built").glob("*-py3-none-any.whl"))


def inputs(which: Which, architecture: Architecture) -> list[str]:
    """Return all that decides what install leaves."""
    return [lock_file(which).read_text(), architecture.wheels, *cache.code("wheels")]
