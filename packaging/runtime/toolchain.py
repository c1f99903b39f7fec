"""The C compiler of the build: zig, which carries the headers and symbol lists of every glibc."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from . import cache, shell

LOCK = Path(__file__).parents[1] / "requirements-build.lock"
FLAGS = "-O3 -g0 -fomit-frame-pointer -Wno-date-time"  # the date is the one of EPOCH
STATIC_FLAGS = f"{FLAGS} -O2 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections"
"""For what is linked into something else: the linker then leaves out what is not called."""
EPOCH = "1790000000"
"""SOURCE_DATE_EPOCH of what is compiled: __DATE__ in `python -VV` and OpenSSL's build date."""
_DRIVERS = {"zcc": "cc", "zcxx": "c++"}
_ARCHIVERS = {"zar": "ar", "zranlib": "ranlib"}


@dataclass(frozen=True)
class Architecture:
    """What one processor architecture is called by everyone involved."""

    debian: str
    target: str  # of zig, with the oldest glibc
    openssl: str
    wheels: str  # the end of a wheel's platform tag


AMD64 = Architecture("amd64", "x86_64-linux-gnu.2.28", "linux-x86_64", "x86_64")
ARM64 = Architecture("arm64", "aarch64-linux-gnu.2.28", "linux-aarch64", "aarch64")
ARCHITECTURES = (AMD64, ARM64)


@dataclass(frozen=True)
class Toolchain:
    """Wrappers named like a plain compiler, and the environment that makes build systems use them."""

    architecture: Architecture
    environment: dict[str, str]


def tools(folder: Path) -> Path:
    """Return the folder with the Python packages that requirements-build.lock pins by hash."""

    def install(target: Path) -> None:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
        ]
        shell.run([*pip, "--no-deps", "--only-binary", ":all:", "-r", LOCK, "--target", target], target)

    return cache.kept(folder, "tools", [LOCK.read_text()], install)


def toolchain(folder: Path, architecture: Architecture = AMD64) -> Toolchain:
    """Return the compiler for one architecture, installed into the cache folder."""
    zig = tools(folder) / "ziglang" / "zig"

    def write(target: Path) -> None:
        drivers = {name: f"{verb} -target {architecture.target}" for name, verb in _DRIVERS.items()}
        for name, verb in {**drivers, **_ARCHIVERS}.items():
            wrapper = target / name
            wrapper.write_text(f'#!/bin/sh\nexec "{zig}" {verb} "$@"\n')
            wrapper.chmod(0o755)

    wrappers = cache.kept(
        folder, f"toolchain-{architecture.debian}", [LOCK.read_text(), *cache.code("toolchain")], write
    )
    return Toolchain(
        architecture,
        {
            "PATH": f"{wrappers}:{os.environ['PATH']}",
            "CC": "zcc",
            "CXX": "zcxx",
            "AR": "zar",
            "RANLIB": "zranlib",
            "CFLAGS": STATIC_FLAGS,
            "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(folder / "zig"),
            "SOURCE_DATE_EPOCH": EPOCH,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        },
    )


def jobs() -> str:
    """Return the -j of make."""
    return f"-j{os.cpu_count() or 1}"
