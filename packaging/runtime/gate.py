"""The gate of every package: no binary asks for more than RHEL 8's C and C++ libraries offer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import shell
from .errors import TooNew

LIMITS = {"GLIBC": (2, 28), "GLIBCXX": (3, 4, 25), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)}
"""Highest symbol version of glibc, libstdc++ (two) and libgcc on RHEL 8."""
_LIBRARY = re.compile(r"required from (\S+):")
_VERSION = re.compile(rf"\b({'|'.join(LIMITS)})_(\d+(?:\.\d+)*)$")
_NEEDED = re.compile(r"^\s+NEEDED\s+(\S+)$", re.MULTILINE)


def elf_files(tree: Path) -> Iterator[Path]:
    """Yield the ELF files in tree, links left out, in the order of their names."""
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as opened:
                if opened.read(4) == b"\x7fELF":
                    yield path


def too_new(headers: str) -> list[str]:
    """Return each version above LIMITS in the text of `objdump -p`, as "GLIBC_2.34 of libc.so.6"."""
    found, library = [], ""
    for line in headers.partition("\nVersion References:\n")[2].splitlines():
        if named := _LIBRARY.search(line):
            library = named[1]
        elif (version := _VERSION.search(line.strip())) and _number(version[2]) > LIMITS[version[1]]:
            found.append(f"{version[0]} of {library}")
    return found


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def check(tree: Path) -> int:
    """Hold every binary in tree against the limits, and return how many there are.

    Raises:
        TooNew: some ask for more; names each with the symbol versions.
    """
    checked, wrong = 0, []
    for path in elf_files(tree):
        checked += 1
        wrong += [f"{path.relative_to(tree)}: {version}" for version in too_new(_headers(path))]
    if wrong:
        raise TooNew(f"newer than the oldest supported system, in {tree}:\n" + "\n".join(wrong))
    return checked


def needed(tree: Path) -> set[str]:
    """Return the libraries that binaries in tree ask the system for."""
    inside = {path.name for path in tree.rglob("*.so*")}
    return {name for path in elf_files(tree) for name in _NEEDED.findall(_headers(path))} - inside


def _headers(path: Path) -> str:
    shell.need({"objdump": "binutils"})
    return subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
