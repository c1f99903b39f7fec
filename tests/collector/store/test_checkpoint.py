"""The engine's state on disk: written by a child as it was at the fork, kept once the lake is as far."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.pipeline.checkpoint import Checkpoint

ROOT = Path(__file__).parents[3]
PATIENCE = 20.0
KILLED = """
import os, sys, time
from collector.lake import forked
print(forked.start("child", lambda: time.sleep(600)), flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.state"


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def kept(checkpoint: Checkpoint, path: Path, stored: int) -> bool:
    checkpoint.keep(stored)
    return path.exists()


def test_a_state_is_as_it_was_when_it_was_begun(path: Path) -> None:
    checkpoint, state = Checkpoint(path, 0.0), [b"one ", b"two"]
    checkpoint.begin(lambda: state, 5)
    state.append(b" three")
    until(lambda: kept(checkpoint, path, 5))
    assert checkpoint.load() == b"one two"
    assert list(path.parent.iterdir()) == [path]


def test_the_kernel_ends_it_first_where_memory_is_short(path: Path) -> None:
    checkpoint = Checkpoint(path, 0.0)
    checkpoint.begin(lambda: [Path("/proc/self/oom_score_adj").read_bytes()], 5)
    until(lambda: kept(checkpoint, path, 5))
    assert checkpoint.load() == b"1000\n"


def test_it_is_kept_only_once_the_lake_is_as_far(path: Path) -> None:
    checkpoint = Checkpoint(path, 0.0)
    checkpoint.begin(lambda: [b"state"], 5)
    until(path.with_name("engine.state.new").exists)
    checkpoint.keep(4)
    assert not path.exists()
    assert not checkpoint.is_due(float("inf"))
    until(lambda: kept(checkpoint, path, 6))


def test_a_state_that_cannot_be_made_leaves_the_former(
    path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(path, 0.0)
    checkpoint.write([b"former"])

    def fails() -> list[bytes]:
        raise ValueError("no state")

    checkpoint.begin(fails, 5)
    until(lambda: kept(checkpoint, path, 5) and "a restart will take longer" in caplog.text)
    assert checkpoint.load() == b"former"
    assert "ValueError: no state" in capfd.readouterr().err
    assert checkpoint.is_due(float("inf"))


def test_what_is_written_at_once_ends_what_a_child_does(path: Path) -> None:
    checkpoint = Checkpoint(path, 0.0)

    def lasts() -> list[bytes]:
        time.sleep(PATIENCE)
        return [b"late"]

    checkpoint.begin(lasts, 5)
    checkpoint.write([b"now"])
    checkpoint.keep(9)
    assert checkpoint.load() == b"now"


def test_the_next_waits_by_what_one_took(path: Path) -> None:
    checkpoint = Checkpoint(path, 0.0)

    def lasts() -> list[bytes]:
        time.sleep(0.2)
        return [b"state"]

    checkpoint.begin(lasts, 5)
    began = time.monotonic()
    until(lambda: kept(checkpoint, path, 5))
    assert not checkpoint.is_due(began + 9)
    assert checkpoint.is_due(float("inf"))


def test_what_a_killed_process_left_goes_at_the_next_start(path: Path) -> None:
    left = path.with_name("engine.state.new")
    left.write_bytes(b"half")
    Checkpoint(path, 0.0)
    assert not left.exists()


def test_a_disk_that_takes_nothing_is_told_and_stops_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(path.parent / "gone" / path.name, 0.0)
    checkpoint.write([b"state"])
    assert "a restart will take longer" in caplog.text


def test_a_child_dies_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}
    )
    assert parent.stdout is not None
    child = Path("/proc", parent.stdout.readline().decode().strip())
    until(lambda: (child / "comm").read_text() == "child\n")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())
