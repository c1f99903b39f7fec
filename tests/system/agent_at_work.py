"""An agent of a test's own, started by its command and read by what it sealed; nothing outlives the test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from agent import identity
from agent.kernel import pin_folders
from agent.layout import Layout
from evidence.event import Event
from evidence.kind import Body, Lane
from evidence.kinds.process import Exec
from evidence.statement import Statement
from tests.agent import enrolled_host
from tests.agent.feeds_at_work import run

ROOT = Path(__file__).parents[2]
LANES: tuple[Lane, Lane] = ("priority", "bulk")


_MARK = f"mark-{os.getpid()}-"


def run_marks(first: int, last: int) -> list[str]:
    """Run `true MARK` with marks of this process's own, numbered from first to last; return them."""
    marks = [f"{_MARK}{number}" for number in range(first, last + 1)]
    for mark in marks:
        run("/usr/bin/true", mark)
    return marks


def is_marked(body: Body) -> TypeGuard[Exec]:
    """Return whether it is an exec of `run_marks`."""
    return isinstance(body, Exec) and len(body.argv) > 1 and body.argv[1].startswith(_MARK)


class Agent:
    """An agent with a state of its own, run as a user would."""

    def __init__(self, folder: Path) -> None:
        """Enrol it in folder and write its settings."""
        self.folder = folder
        self.places = enrolled_host.enrol(folder / "state")
        self.config = folder / "agent.toml"
        self.config.write_text(
            f"state = '{folder}/state'\nruntime = '{folder}/run'\nheartbeat = 1\n"
            "[file]\ntrees = []\nsensitive = []\n[collector]\ningest = 'https://127.0.0.1:1'\n"
        )
        self.process: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "agent.cli", *words, "--config", str(self.config)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.wait((self.folder / "run/status.json").exists, "watch reports")
        return self.process

    def wait(self, true: Callable[[], bool], what: str) -> None:
        """Wait until it is true; the test's own time limit ends what never comes."""
        while not true():
            if self.process is not None and self.process.poll() is not None:
                said = self.process.communicate()[1]
                pytest.fail(f"{what}: the agent ended with {self.process.returncode}: {said[-2000:]}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        _, _ = self.process.communicate(timeout=30)
        (self.folder / "run/status.json").unlink(missing_ok=True)
        return self.process.returncode

    def close(self) -> None:
        """End it, and what it left recording."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()  # by killing the supervisor alone watch would live on
            try:
                self.process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
        pin_folders.remove_all(self.places.watch)

    def pins(self) -> set[str]:
        """Return the names of the objects that are pinned for it."""
        folder = pin_folders.agent_folder(self.places.watch)
        assert isinstance(folder, pin_folders.AgentFolder)
        return {path.name.split("-")[0] for path in folder.objects()}

    def statements(self) -> list[Statement]:
        return [said for said, _ in self._sealed()]

    def events(self) -> list[Event[Body]]:
        return [event for _, events in self._sealed() for event in events]

    def bodies(self) -> list[Body]:
        return [event.body for event in self.events()]

    def marks(self) -> list[str]:
        """Return the marks of all sealed `true MARK` of `run_marks`, in the order of their sealing."""
        return [body.argv[1] for body in self.bodies() if is_marked(body)]

    def _sealed(self) -> list[tuple[Statement, list[Event[Body]]]]:
        who = identity.load(self.places)
        return [
            part
            for lane in LANES
            for part in enrolled_host.sealed(
                self.places.spool, lane, key=who.spool_key, public=who.signer.public
            )
        ]


@contextlib.contextmanager
def agent_in(folder: Path) -> Iterator[Agent]:
    """Give an agent in a folder; its ship, another user, must be able to pass through."""
    made = Agent(folder)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def unpinned(state: Path) -> Iterator[None]:
    """Remove at the end what an agent whose state is in the folder left recording, if it was killed."""
    try:
        yield
    finally:
        pin_folders.remove_all(Layout(state).watch)
