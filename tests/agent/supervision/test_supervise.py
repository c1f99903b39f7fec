"""The supervisor: restarts what died, ends with what must end, and takes its children along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from agent.supervision.supervise import Child, Supervisor


def supervised(children: tuple[Child, ...], act: Callable[[int], None]) -> tuple[int, list[str]]:
    """Run a supervisor in a child process while act(pid) works on it; return its code and what it said."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os._exit(Supervisor(children, lambda line: void(os.write(writing, f"{line}\n".encode()))).run())
    os.close(writing)
    act(pid)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as said:
        return os.waitstatus_to_exitcode(status), said.read().decode().splitlines()


def void(_: object) -> None:
    return None


def mark(folder: Path, name: str) -> None:
    (folder / f"{name}-{os.getpid()}").touch()


def lives(folder: Path, name: str, count: int = 1) -> list[int]:
    """Wait until count processes have left their mark; return their pids, oldest first."""
    while len(found := sorted(folder.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime_ns)) < count:
        time.sleep(0.01)
    return [int(path.name.rpartition("-")[2]) for path in found]


def sleeper(folder: Path, name: str) -> Child:
    def main() -> int:
        mark(folder, name)
        time.sleep(600)
        return 0

    return Child(name, main)


def test_a_child_that_was_killed_is_started_again_and_both_are_stopped(tmp_path: Path) -> None:
    def act(pid: int) -> None:
        (first,) = lives(tmp_path, "watch")
        lives(tmp_path, "ship")
        os.kill(first, signal.SIGKILL)
        lives(tmp_path, "watch", count=2)
        os.kill(pid, signal.SIGTERM)

    children = (sleeper(tmp_path, "watch"), sleeper(tmp_path, "ship"))
    code, said = supervised(children, act)
    assert code == 0
    assert said == ["watch ended with signal 9; starting it again in 0.1 s"]
    pids = [*lives(tmp_path, "watch"), *lives(tmp_path, "ship")]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_final_code_ends_all(tmp_path: Path) -> None:
    def quit_at_once() -> int:
        lives(tmp_path, "ship")
        return 3

    children = (Child("watch", quit_at_once, frozenset({3})), sleeper(tmp_path, "ship"))
    code, _ = supervised(children, lambda _: None)
    assert code == 3
    assert not Path(f"/proc/{lives(tmp_path, 'ship')[0]}").exists()


def test_what_a_child_says_is_in_the_log() -> None:
    def main() -> int:
        os.write(2, b"vedette-agent: cannot start\n")
        return 3

    child = Child("watch", main, frozenset({3}))
    assert supervised((child,), lambda _: None) == (3, ["vedette-agent: cannot start"])


def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    def act(pid: int) -> None:
        (child,) = lives(tmp_path, "watch")
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text():
            time.sleep(0.01)

    code, _ = supervised((sleeper(tmp_path, "watch"),), act)
    assert code == -signal.SIGKILL


def test_the_second_is_stopped_once_the_first_has_ended(tmp_path: Path) -> None:
    def slow() -> int:
        signal.signal(signal.SIGTERM, lambda *_: None)
        mark(tmp_path, "watch")
        signal.pause()
        time.sleep(0.3)
        mark(tmp_path, "sealed")
        return 0

    def after() -> int:
        signal.signal(signal.SIGTERM, lambda *_: None)
        mark(tmp_path, "ship")
        signal.pause()
        return 0 if list(tmp_path.glob("sealed-*")) else 7

    def act(pid: int) -> None:
        lives(tmp_path, "watch")
        lives(tmp_path, "ship")
        os.kill(pid, signal.SIGTERM)

    code, _ = supervised((Child("watch", slow), Child("ship", after)), act)
    assert code == 0


def test_the_supervisor_loads_nothing_of_what_only_its_children_need() -> None:
    listed = "import sys, agent.cli, agent.commands.run; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", listed], check=True, capture_output=True, text=True).stdout
    heavy = {"agent.run", "agent.shipping.ship_process", "cryptography", "ssl", "sqlite3", "evidence.seal"}
    assert heavy.isdisjoint(shown.split())
