"""Runs the programs of the build, and says what went wrong with the last lines they wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import BuildFailed, ToolMissing

_TAIL = 4000  # characters of output that an error shows


def run(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> str:
    """Run command in folder, with environment on top of the process's own, and return what it wrote.

    Raises:
        BuildFailed: it ended with an error; carries the end of its output.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        input=stdin if stdin is not None else b"",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        words = " ".join(str(word) for word in command[:6])
        raise BuildFailed(f"{words} ended with {done.returncode} in {folder}:\n{output[-_TAIL:]}")
    return output


def need(programs: Mapping[str, str]) -> None:
    """Check that programs are installed, given as program, or path of a file, to Debian package.

    Raises:
        ToolMissing: some are not; names the packages.
    """
    missing = sorted({package for program, package in programs.items() if not _there(program)})
    if missing:
        raise ToolMissing(f"the build needs more tools: apt-get install {' '.join(missing)}")


def _there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None
