"""A shell on a laptop outside of a demo that runs, for who wants to try what is seen."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import NoReturn

from .demo_words import DemoFailed
from .hosts import ground
from .hosts.fleet import Fleet

VISITOR = "carol"
"""Whose laptop it is; she has accounts on the hosts, and nothing else to do in the demo."""
_MODULE = b"range.demo_fleet"
_LAPTOP = ground.FOLDER / "laptop"
_SHELL = "ssh-add -q 2>/dev/null; exec bash -i"


def open_door(fleet: Fleet) -> None:
    """Leave in the ground's folder how its laptop is entered: only from within is the host's pid known."""
    words = (
        "runuser",
        "--login",
        VISITOR,
        "--session-command",
        f"exec ssh-agent bash -c {shlex.quote(_SHELL)}",
    )
    _LAPTOP.write_text(f"cd /\nexec {shlex.join(fleet.outside.command(*words))}\n")


def enter() -> NoReturn:
    """Become a shell on the laptop of the running demo.

    Raises:
        DemoFailed: none runs.
    """
    found = [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_ground(entry)
    ]
    if not found:
        raise DemoFailed("no demo on test hosts runs here; start one in another terminal, as root: make demo")
    into = ("--mount", "--uts", "--ipc", "--net", "--pid")
    os.execvp("nsenter", ["nsenter", "--target", str(max(found)), *into, "sh", str(_LAPTOP)])  # noqa: S606 - it takes our place


def _is_ground(entry: Path) -> bool:
    """Return whether a process is the first of a demo's namespace of pids."""
    with contextlib.suppress(OSError):
        numbers = next(
            line for line in (entry / "status").read_text().splitlines() if line.startswith("NSpid")
        )
        return numbers.split()[-1] == "1" and _MODULE in (entry / "cmdline").read_bytes().split(b"\0")
    return False
