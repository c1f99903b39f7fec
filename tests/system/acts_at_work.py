"""Another process that does an act when it is told to, and what a feed says of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from evidence.kind import Body
from evidence.kinds import act
from tests.agent.feeds_at_work import Watched

ROOT = Path(__file__).parents[2]
_SETUP = "import ctypes, os, socket, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_WAIT = "sys.stdin.readline()\n"


@contextlib.contextmanager
def another(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python script that lives until it was looked at; it begins when its exec can have been seen."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"{_SETUP}{_WAIT}{script}\nprint('done', flush=True)\n{_WAIT}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
    )
    with child:
        try:
            _proceed(child)
            yield child
        finally:
            if child.poll() is None:
                child.communicate("\n", timeout=30)


def _proceed(child: subprocess.Popen[str]) -> None:
    """Let it do its act, and wait until it is done."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "done\n"


def act_of(watched: Watched, kind: type[act.Act], pid: int, accept: Callable[[Any], bool]) -> Any:
    """Return the first act of a process that is accepted, among what was seen or comes."""

    def is_it(body: Body) -> bool:
        return isinstance(body, kind) and body.actor is not None and body.actor.pid == pid and accept(body)

    return watched.until(is_it)


@contextlib.contextmanager
def target(uid: int | None = None) -> Iterator[int]:
    """Start a process that others may reach into, and end it afterwards; return its pid."""
    process = subprocess.Popen(["/bin/sleep", "60"], user=uid)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
