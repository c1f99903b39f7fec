"""Compiles CPython with every library inside it, so that it needs nothing of the system but glibc."""

from __future__ import annotations

import ast
import os
import pprint
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import apt, cache, profile, recipes, shell
from .sources import CPYTHON
from .toolchain import FLAGS, Toolchain, jobs

VERSION = "3.13"
_PREFIX = "/usr/lib/vedette/python"  # where none is ever looked for: the interpreter finds its own folder
_LIBRARIES = ("openssl", "zlib", "libffi", "bzip2", "xz", "sqlite")
_MODULES_LEFT_OUT = (
    *("_tkinter", "_curses", "_curses_panel", "readline", "_dbm", "_gdbm", "_uuid", "nis"),
    *("_testcapi", "_testinternalcapi", "_testbuffer", "_testimportmultiple", "_testmultiphase"),
)


def interpreter(folder: Path, tools: Toolchain) -> Path:
    """Return the folder with CPython as `make install` leaves it, from the cache if it was made before.

    Raises:
        BuildFailed: it, or one of its libraries, cannot be fetched or compiled.
    """
    inside = libraries(folder, tools)

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".python-source-", dir=folder) as work:
            source = Path(work) / "python"
            apt.unpack(CPYTHON, folder, source)
            _compile(source, Path(work), inside, tools)
            (Path(work) / f"installed{_PREFIX}").rename(target / "python")
            _forget_folders(target / "python", folder)

    inputs = [repr(CPYTHON), tools.architecture.target, *(path.name for path in inside.values())]
    code = cache.code("interpreter", "toolchain", "apt", "profile")
    return cache.kept(folder, "cpython", [*inputs, *code, *profile.inputs()], make)


def libraries(folder: Path, tools: Toolchain) -> dict[str, Path]:
    """Return name to prefix of each library that goes into CPython, from the cache if it was made before.

    Raises:
        BuildFailed: one cannot be fetched or compiled.
    """
    for name in _LIBRARIES:
        apt.fetched(recipes.RECIPES[name].source, folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda name: recipes.library(name, folder, tools), _LIBRARIES)
        return dict(zip(_LIBRARIES, made, strict=True))


def _compile(source: Path, work: Path, inside: dict[str, Path], tools: Toolchain) -> None:
    """Build by the profile and install: across files (LTO), and with what is seldom run out of the way."""
    options = ["-flto", *profile.unpacked(work / "profdata")]
    environment = {**tools.environment, "CFLAGS": FLAGS}
    profile.check(build(source, inside, environment, options))
    shell.run(["make", "install", f"DESTDIR={work / 'installed'}"], source, environment)


def build(
    source: Path, inside: dict[str, Path], compiler: dict[str, str], options: Iterable[str] = ()
) -> str:
    """Configure and make CPython in source, and return what make wrote.

    inside is name to prefix of its libraries, compiler an environment that names the compiler, options what
    it is told beside: not at configure, whose trials may not know them, and so in no variable of sysconfig.

    Raises:
        BuildFailed: it does not compile.
    """
    environment = {
        **compiler,
        "CPPFLAGS": " ".join(f"-I{prefix}/include" for prefix in inside.values()),
        "LDFLAGS": " ".join(
            ["-Wl,--as-needed", "-Wl,--gc-sections", *(f"-L{prefix}/lib" for prefix in inside.values())]
        ),
        "PKG_CONFIG_PATH": "",
        "PKG_CONFIG_LIBDIR": ":".join(f"{prefix}/lib/pkgconfig" for prefix in inside.values()),
    }
    shell.need({"pkg-config": "pkgconf", "make": "make"})
    shell.run(
        [
            "./configure",
            f"--prefix={_PREFIX}",
            f"--with-openssl={inside['openssl']}",
            "--without-ensurepip",
            "--disable-test-modules",
            "--without-system-libmpdec",
            "ac_cv_func_getlogin_r=no",
            *(f"py_cv_module_{name}=n/a" for name in _MODULES_LEFT_OUT),
        ],
        source,
        environment,
    )
    return shell.run(["make", jobs(), f"EXTRA_CFLAGS={' '.join(options)}"], source, environment)


def _forget_folders(python: Path, folder: Path) -> None:
    """Drop from what sysconfig tells all that names the folder of the build: it says nothing elsewhere."""
    (data,) = python.glob(f"lib/python{VERSION}/_sysconfigdata_*.py")
    variables = ast.literal_eval(data.read_text().partition("build_time_vars = ")[2])
    kept = {name: value for name, value in sorted(variables.items()) if str(folder) not in str(value)}
    data.write_text(f"build_time_vars = {pprint.pformat(kept)}\n")
