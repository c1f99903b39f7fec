"""What is left out of the interpreter and of the wheels: all that no running program of ours reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import gate, shell
from .interpreter import VERSION

_UNUSED_MODULES = (
    *("test", "doctest.py", "pdb.py", "idlelib", "tkinter", "turtledemo", "turtle.py"),
    *(
        "ensurepip",
        "venv",
        "lib2to3",
        "pydoc_data",
        "curses",
        "xmlrpc",
        "wsgiref",
        "antigravity.py",
        "this.py",
    ),
    *("__phello__", "_ios_support.py", "_android_support.py", "_apple_support.py", "_aix_support.py"),
    *("_osx_support.py", "config-*", "lib-dynload/_test*", "site-packages/*", "LICENSE.txt"),
)
PYTHON = (
    *("include", "share", "lib/pkgconfig", "lib/*.a"),
    *("bin/2to3*", "bin/idle*", "bin/pydoc*", "bin/*-config", "bin/pip*", "bin/python"),
    *(f"lib/python{VERSION}/{name}" for name in _UNUSED_MODULES),
)
"""Patterns below the interpreter's folder."""
SITE = (
    *("bin", "include", "share", "**/include", "**/tests", "**/test", "**/testing", "*-stubs"),
    *(f"**/*.{ending}" for ending in ("pyi", "pyx", "pxd", "pxi", "h", "hpp", "c", "cc", "cpp", "typed")),
    *(
        f"*.dist-info/{name}"
        for name in ("RECORD", "INSTALLER", "REQUESTED", "WHEEL", "*_*.txt", "direct_url.json")
    ),
    *("cffi", "zstandard/_cffi*", "zstandard/backend_cffi.py"),
)
"""Patterns below a site-packages folder."""


_EXTENSION = ".duckdb_extension"


def remove(tree: Path, patterns: tuple[str, ...]) -> None:
    """Remove what patterns match in tree, and every compiled file, wherever it is."""
    for pattern in (*patterns, "**/__pycache__"):
        for path in sorted(tree.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def strip(tree: Path) -> None:
    """Remove symbol tables and debugging sections from every binary in tree; what it exports stays.

    DuckDB's extensions stay as they are: each ends with a record of its own behind the ELF file, without
    which it does not load.
    """
    shell.need({"strip": "binutils"})
    for path in gate.elf_files(tree):
        if path.suffix == _EXTENSION:
            continue
        path.chmod(0o755)
        shell.run(["strip", "--strip-unneeded", "--remove-section=.comment", path], tree)
