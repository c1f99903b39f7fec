"""Compiles CPython with every library inside it, so that it needs nothing of the system but glibc."""

from __future__ import annotations

import ast
import os
import pprint
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import apt, cache, recipes, shell
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
    for name in _LIBRARIES:
        apt.fetched(recipes.RECIPES[name].source, folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(lambda name: recipes.library(name, folder, tools), _LIBRARIES)
        libraries = dict(zip(_LIBRARIES, made, strict=True))

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=".python-source-", dir=folder) as work:
            source = Path(work) / "python"
            apt.unpack(CPYTHON, folder, source)
            _compile(source, Path(work) / "installed", libraries, tools)
            (Path(work) / f"installed{_PREFIX}").rename(target / "python")
            _forget_folders(target / "python", folder)

    inputs = [repr(CPYTHON), tools.architecture.target, *(path.name for path in libraries.values())]
    return cache.kept(folder, "cpython", [*inputs, *cache.code("interpreter", "toolchain", "apt")], make)


def _compile(source: Path, installed: Path, libraries: dict[str, Path], tools: Toolchain) -> None:
    environment = {
        **tools.environment,
        "CFLAGS": FLAGS,
        "CPPFLAGS": " ".join(f"-I{prefix}/include" for prefix in libraries.values()),
        "LDFLAGS": " ".join(
            ["-Wl,--as-needed", "-Wl,--gc-sections", *(f"-L{prefix}/lib" for prefix in libraries.values())]
        ),
        "PKG_CONFIG_PATH": "",
        "PKG_CONFIG_LIBDIR": ":".join(f"{prefix}/lib/pkgconfig" for prefix in libraries.values()),
    }
    shell.need({"pkg-config": "pkgconf", "make": "make"})
    shell.run(
        [
            "./configure",
            f"--prefix={_PREFIX}",
            f"--with-openssl={libraries['openssl']}",
            "--without-ensurepip",
            "--disable-test-modules",
            "--without-system-libmpdec",
            "ac_cv_func_getlogin_r=no",
            *(f"py_cv_module_{name}=n/a" for name in _MODULES_LEFT_OUT),
        ],
        source,
        environment,
    )
    shell.run(["make", jobs()], source, environment)
    shell.run(["make", "install", f"DESTDIR={installed}"], source, environment)


def _forget_folders(python: Path, folder: Path) -> None:
    """Drop from what sysconfig tells all that names the folder of the build: it says nothing elsewhere."""
    (data,) = python.glob(f"lib/python{VERSION}/_sysconfigdata_*.py")
    variables = ast.literal_eval(data.read_text().partition("build_time_vars = ")[2])
    kept = {name: value for name, value in sorted(variables.items()) if str(folder) not in str(value)}
    data.write_text(f"build_time_vars = {pprint.pformat(kept)}\n")
