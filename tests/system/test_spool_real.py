"""The spool on a real file system: a full one, and a process killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import SpoolError
from agent.layout import Layout, prepare
from agent.settings import Spool
from agent.spool.disk import LocalDisk
from agent.spool.heads import LANES
from agent.spool.outgoing import Outgoing
from tests.agent.chain import SPOOL_KEY, Host

ROUNDS = 6


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def host_in(folder: Path, limits: Spool) -> Host:
    layout = Layout(folder)
    prepare(layout, None)
    return Host(LocalDisk(), limits=limits, folder=layout.spool, memory=layout.memory)


def posted(host: Host) -> dict[tuple[str, int], tuple[bytes, bytes]]:
    outgoing = Outgoing(host.folder, SPOOL_KEY, LocalDisk())
    found: dict[tuple[str, int], tuple[bytes, bytes]] = {}
    for lane in LANES:
        while (place := outgoing.peek(lane)) is not None:
            outgoing.take(lane)
            parcel = outgoing.open(place)
            assert parcel is not None
            assert not parcel.unreadable
            found[lane, place.seq] = parcel.envelope, parcel.data
    return found


def fill(path: Path) -> None:
    """Write until the disk takes no more; a short write is not the end of it."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.root
def test_a_really_full_disk_costs_data_but_nothing_that_was_acknowledged(small: Path) -> None:
    host = host_in(small, Spool(max_bytes=1 << 30, free_floor_bytes=1, segment_bytes=65_536))
    refused = 0
    for _ in range(60):
        try:
            host.append("bulk", size=20_000)
        except SpoolError:
            refused += 1
    ballast = small / "ballast"
    with pytest.raises(OSError, match="No space"):
        fill(ballast)
    for _ in range(3):
        try:
            host.append("priority", size=20_000)
        except SpoolError:
            refused += 1
    ballast.unlink()
    host.open()
    for _ in range(3):
        host.append("priority", size=20_000)
    found = posted(host)
    told = [one for batch in host.appended for one in batch.statement.dropped] + list(host.outbox.dropped())
    gone = {(one.lane, seq) for one in told for seq in range(one.first, one.last + 1)}
    assert host.outbox.damage() == ()
    assert len(found) == len(host.appended)
    for batch in host.appended:
        key = batch.statement.lane, batch.statement.seq
        assert found[key][0] == batch.envelope
        assert found[key][1] == batch.data or key in gone
    assert gone
    assert found["priority", host.appended[-1].statement.seq][1] == host.appended[-1].data


def append_for_ever(folder: Path, writing: int) -> None:
    """Append until killed, telling each sequence number once append returned."""
    host = host_in(folder, Spool(free_floor_bytes=1, segment_bytes=65_536))
    host.number = host.outbox.last_event_seq
    while True:
        batch = host.append("bulk", size=5000)
        os.write(writing, b"%d %s\n" % (batch.statement.seq, batch.digest.encode()))


def test_kill_nine_loses_nothing_that_append_returned_for(tmp_path: Path) -> None:
    told: dict[int, str] = {}
    for at in range(ROUNDS):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                append_for_ever(tmp_path, writing)
            finally:
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            first = pipe.readline()
            time.sleep(0.03 * (at + 1))
            os.kill(pid, signal.SIGKILL)
            lines = [first, *pipe.readlines()]
        os.waitpid(pid, 0)
        for line in lines:
            seq, digest = line.split()
            assert int(seq) not in told
            told[int(seq)] = digest.decode()
    host = host_in(tmp_path, Spool(free_floor_bytes=1))
    assert host.outbox.damage() == ()
    assert host.outbox.dropped() == ()
    found = posted(host)
    assert sorted(seq for _, seq in found) == list(range(1, host.outbox.head("bulk").seq + 1))
    assert set(told) <= {seq for _, seq in found}
    assert len(told) > ROUNDS
