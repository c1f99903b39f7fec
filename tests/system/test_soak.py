"""Churn of short processes for as long as asked: memory, tables and descriptors of the agent stay flat."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.bench.proc_figures import children
from tests.system.agent_at_work import Agent

PER_MINUTE = 10_000
_BURST = 50
_SAMPLE = 2.0
_GROWTH_KB = 4096
"""What it may differ between two quarters: allocators breathe."""
_FEW = 6
"""Descriptors that come and go: a folder being read, a receipt being written."""

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: all sensors take part"),
]


@dataclass(frozen=True)
class Sample:
    """Memory in kB and open descriptors of all the agent's processes, and what it has seen."""

    memory: int
    descriptors: int
    events: int


def own_memory(pid: int) -> int:
    """Return the kB of a process that no other program shares: PSS varies with who else runs on the host."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))


def sample(agent: Agent) -> Sample:
    assert agent.process is not None
    pids = [agent.process.pid, *children(agent.process.pid)]
    status = msgspec.json.decode((agent.folder / "run/status.json").read_bytes())
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    return Sample(sum(map(own_memory, pids)), descriptors, status["events"])


def churn(seconds: float) -> None:
    """Execute PER_MINUTE short processes a minute, in bursts."""
    end = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < end:
        for _ in range(_BURST):
            os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], {}), 0)
        due += _BURST * 60 / PER_MINUTE
        time.sleep(max(0.0, due - time.monotonic()))


@pytest.mark.timeout(0)
def test_nothing_grows_while_processes_come_and_go(agent: Agent, soak_seconds: float) -> None:
    agent.start("run")
    churn(max(20.0, soak_seconds / 10))  # the process table fills up to what its time to live holds
    samples: list[Sample] = []
    end = time.monotonic() + soak_seconds
    while time.monotonic() < end:
        churn(_SAMPLE)
        samples.append(sample(agent))
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    grown = statistics.median(one.memory for one in late) - statistics.median(one.memory for one in early)
    print(f"memory {early[0].memory} kB early, {late[-1].memory} kB late; {late[-1].events} events")
    assert grown < _GROWTH_KB
    assert max(one.descriptors for one in late) <= max(one.descriptors for one in early) + _FEW
    assert late[-1].events - early[0].events > PER_MINUTE / 60 * soak_seconds / 2
    assert agent.process is not None
    assert agent.process.poll() is None
    left = subprocess.run(
        ["ps", "--ppid", str(agent.process.pid), "-o", "stat="], capture_output=True, text=True, check=False
    )
    assert "Z" not in left.stdout
