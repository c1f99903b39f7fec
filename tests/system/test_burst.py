"""A burst of 100,000 events in a second, as only large hosts see it, is told whole."""

from __future__ import annotations

import os
import shutil
import struct
from collections import Counter
from pathlib import Path

import pytest

from agent.decode import bpf_process
from agent.errors import RungUnavailable
from agent.kernel.bpf_reader import RingReader
from agent.kernel.pin_folders import AgentFolder, agent_folder, bpffs
from agent.reporting import status
from evidence.kinds.agent import Loss
from evidence.kinds.process import Exec, Exit
from tests.agent.feeds_at_work import run
from tests.system.agent_at_work import Agent
from tests.system.burst import FIRST_PID, Burst, build

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it writes into the ring of a running agent"),
    pytest.mark.skipif(shutil.which("clang") is None, reason="needs clang: the burst's program is compiled"),
    pytest.mark.skipif(bpffs() is None, reason="needs a mounted bpffs: mount -t bpf bpf /sys/fs/bpf"),
    pytest.mark.timeout(300),
]

EVENTS = 100_000


def records_of_a_process() -> tuple[bytes, bytes]:
    """Return the records of an exec and of its exit, as exec.bpf.c writes them."""
    try:
        reader = RingReader("exec", 1 << 20)
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    try:
        pid = run("/bin/true", "burst", "of", "many")
        found = [raw for raw in reader.read() if struct.unpack_from("=4xI", raw) == (pid,)]
    finally:
        reader.close()
    by_type = {struct.unpack_from("=H", raw)[0]: raw for raw in found}
    return by_type[bpf_process.EXEC], by_type[bpf_process.EXIT]


def pinned_exec(agent: Agent) -> Path:
    folder = agent_folder(agent.places.watch)
    assert isinstance(folder, AgentFolder)
    (found,) = (path for path in folder.objects() if path.name.startswith("exec-"))
    return found


def test_a_hundred_thousand_events_in_a_second_are_told_once_each(agent: Agent, tmp_path: Path) -> None:
    agent.start("watch")
    with Burst(build(tmp_path), pinned_exec(agent), records_of_a_process()) as burst:
        took = burst.submit(EVENTS, seconds=1.0)
    agent.wait(lambda: status.read(tmp_path / "run").events >= EVENTS, "the burst is taken in")
    assert agent.stop() == 0
    print(f"{EVENTS} records within {took:.2f} s")
    bodies = agent.bodies()
    execs = Counter(body.start for body in bodies if isinstance(body, Exec) and body.pid >= FIRST_PID)
    exits = Counter(body.start for body in bodies if isinstance(body, Exit) and body.pid >= FIRST_PID)
    each = {FIRST_PID + number: 1 for number in range(EVENTS // 2)}
    assert execs == each
    assert exits == each
    assert [body for body in bodies if isinstance(body, Loss) and body.sensor in ("process", "watch")] == []
