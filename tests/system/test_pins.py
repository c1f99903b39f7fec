"""Pins belong to one agent: no other takes them up, and what nobody can take up any more is removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.kernel.bpf_reader import RingReader
from agent.kernel.pin_folders import AgentFolder, agent_folder, bpffs, hold, is_held, remove_all, remove_gone
from agent.kernel.rings import Rings
from tests.agent.feeds_at_work import run
from tests.system.agent_at_work import ROOT, Agent

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: eBPF programs are loaded and pinned"),
    pytest.mark.skipif(bpffs() is None, reason="needs a mounted bpffs: mount -t bpf bpf /sys/fs/bpf"),
    pytest.mark.timeout(400),
]
RING = 1 << 16


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    made.mkdir()
    yield made
    remove_all(made)


def folder_of(home: Path) -> AgentFolder:
    found = agent_folder(home)
    assert isinstance(found, AgentFolder)
    return found


def reader_of(home: Path) -> RingReader:
    """Open a ring of the agent at home."""
    try:
        return RingReader("exec", RING, Rings(agent_folder(home)).of("process"))
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")


def killed(home: Path) -> AgentFolder:
    """Leave the pins of an agent as a kill does."""
    reader = reader_of(home)
    reader.object.pins = None
    reader.close()
    return folder_of(home)


def test_an_agent_finds_its_own_pins_again(home: Path) -> None:
    killed(home)
    reader = reader_of(home)
    assert reader.continued
    reader.close()
    assert not folder_of(home).path.exists(), "a stop leaves nothing behind"


def test_a_copy_of_a_state_does_not_take_up_the_rings_of_the_first(home: Path, tmp_path: Path) -> None:
    killed(home)
    shutil.copytree(home, tmp_path / "copy")
    reader = reader_of(tmp_path / "copy")
    assert not reader.continued
    run("/usr/bin/true")
    reader.close()
    first = reader_of(home)
    assert first.continued, "the copy removed nothing of the first"
    assert first.read()
    first.close()


def test_an_agent_installed_anew_does_not_drain_a_strangers_ring(home: Path) -> None:
    before = killed(home)
    (home / "pins").unlink()  # the folder, and so its inode, is the same, as a file system may have it
    reader = reader_of(home)
    assert not reader.continued
    remove_gone()
    assert not before.path.exists(), "whose state is replaced will never come back"
    reader.close()


def test_pins_whose_state_is_deleted_are_removed_and_no_others(home: Path, tmp_path: Path) -> None:
    lives, gone, elsewhere = killed(home), tmp_path / "gone", tmp_path / "elsewhere"
    gone.mkdir()
    elsewhere.mkdir()
    deleted, unknown = killed(gone), killed(elsewhere)
    (unknown.path / "owner").unlink()
    (unknown.path / "owner").symlink_to(f"1:{elsewhere}")  # of another mount namespace
    shutil.rmtree(gone)
    try:
        remove_gone()
        assert not deleted.path.exists()
        assert lives.objects()
        assert unknown.objects(), "what is at that place elsewhere is not known here"
    finally:
        remove_all(elsewhere)


def test_a_state_is_held_by_one_watch(home: Path) -> None:
    assert not is_held(home), "there is no id yet"
    folder_of(home)
    held = hold(home)
    assert held is not None
    assert is_held(home)
    assert hold(home) is None
    os.close(held)
    assert not is_held(home)


def unpin(agent: Agent) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "agent.cli", "unpin", "--json", "--config", str(agent.config)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_unpin_ends_what_a_killed_agent_left_and_nothing_of_one_that_runs(agent: Agent) -> None:
    agent.start("watch")
    assert agent.pins()
    refused = unpin(agent)
    assert refused.returncode == 2
    assert "watch runs" in refused.stderr
    second = [sys.executable, "-m", "agent.cli", "watch", "--config", str(agent.config)]
    done = subprocess.run(second, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "another watch runs" in done.stderr) == (2, True)
    agent.stop(signal.SIGKILL)
    assert agent.pins()
    done = unpin(agent)
    assert (done.returncode, json.loads(done.stdout)["own"]) == (0, True), done.stderr
    assert agent.pins() == set()
    assert json.loads(unpin(agent).stdout)["own"] is False


def test_giving_up_the_identity_ends_what_a_killed_agent_left(agent: Agent) -> None:
    agent.start("watch")
    agent.stop(signal.SIGKILL)
    folder = folder_of(agent.places.watch)
    assert folder.objects()
    line = [sys.executable, "-m", "agent.cli", "unenroll", "--force", "--config", str(agent.config)]
    subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    assert not folder.path.exists()
    assert not (agent.places.watch / "pins").exists(), "who enrols again is another agent"
