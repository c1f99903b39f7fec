"""A kill of watch costs no act: pinned programs go on, and the next start is proven however much happens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.errors import RungUnavailable
from agent.kernel.pin_folders import agent_folder, bpffs, remove_all
from agent.kernel.rings import Rings
from agent.sensor import Sensor
from agent.sensors import io_uring, mount
from evidence.kinds import act
from tests.agent.feeds_at_work import Watched, context, moment, rung_of
from tests.system.acts_at_work import ROOT, another

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: eBPF programs are loaded and pinned"),
    pytest.mark.skipif(bpffs() is None, reason="needs a mounted bpffs: mount -t bpf bpf /sys/fs/bpf"),
]

FIRST_RUN = """
import sys, time
from pathlib import Path
from agent.sensors import all_sensors
from tests.system.test_acts_survival import take_up
sensor = next(one for one in all_sensors() if one.name == sys.argv[1])
kept = take_up(sensor, sys.argv[2], Path(sys.argv[3]))
print("open", flush=True)
time.sleep(1000)
"""
FLOOD = """
for _ in range(5000):
    os.close(libc.syscall(425, 1, ctypes.create_string_buffer(120)))
"""
MOUNT = """
assert libc.unshare(0x20000) == 0
assert libc.mount(None, b'/', None, ctypes.c_ulong(0x44000), None) == 0
assert libc.mount(b'none', sys.argv[1].encode(), b'tmpfs', ctypes.c_ulong(6), None) == 0
"""


def take_up(sensor: Sensor, rung: str, folder: Path) -> tuple[Watched, Rings]:
    """Open a rung with rings that are pinned, as watch does."""
    rings = Rings(agent_folder(folder))
    around = msgspec.structs.replace(context(folder), rings=rings.of(sensor.name))
    return Watched(rung_of(sensor, rung).open(around), around), rings


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    remove_all(tmp_path)


def run_and_kill(sensor: Sensor, rung: str, folder: Path) -> None:
    """Have another process open a rung, and kill it."""
    try:
        watched, _ = take_up(sensor, rung, folder)
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    watched.feed.close()
    command = [sys.executable, "-c", FIRST_RUN, sensor.name, rung, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        first.kill()


def test_what_a_shared_hook_sees_of_the_dead_time_is_read_at_the_next_start(folder: Path) -> None:
    run_and_kill(mount.SENSOR, "capable", folder)
    with another(MOUNT, str(folder)) as child:
        pass
    watched, rings = take_up(mount.SENSOR, "capable", folder)
    try:
        assert rings.continued("mount")
        found = watched.until(lambda body: isinstance(body, act.Mount) and body.filesystem == "tmpfs")
        assert isinstance(found, act.Mount)
        assert found.actor is not None
        assert (found.actor.pid, found.path) == (child.pid, str(folder))
        watched.until(watched.feed.trigger())
    finally:
        watched.feed.close()
    assert not remove_all(folder), "a stop leaves nothing behind"


def test_a_limit_that_is_used_up_hides_no_proof_at_the_next_start(folder: Path) -> None:
    run_and_kill(io_uring.SENSOR, "tp", folder)
    with another(FLOOD):
        watched, _ = take_up(io_uring.SENSOR, "tp", folder)
        try:
            watched.until(watched.feed.trigger())
            told = {loss.cause: loss.count for loss in watched.feed.losses(moment())}
            assert set(told) <= {"rate_limited", "ring_full"}
            assert told["rate_limited"]
        finally:
            watched.feed.close()
