"""The ring between the kernel's programs and their reader: who wakes whom, and what a full ring says."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.kernel import bpf_object
from agent.kernel.bpf_reader import ASLEEP, AWAKE, RingReader
from tests.agent.feeds_at_work import run

pytestmark = pytest.mark.root

SMALL = 1 << 16


@pytest.fixture
def reader() -> Iterator[RingReader]:
    try:
        opened = RingReader("exec", SMALL)
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    yield opened
    opened.close()


def test_a_full_ring_is_counted_and_what_it_held_is_still_read(reader: RingReader) -> None:
    execs = 600
    for _ in range(execs):
        run("/bin/true", "x" * 200)
    lost = reader.lost()
    held = reader.read()
    assert set(lost) == {"ring_full"}
    assert len(held) + lost["ring_full"] >= 2 * execs  # an exec and an exit each, and what others ran
    assert sum(len(record) for record in held) <= SMALL
    reader.lost()  # what came between the count and the reading
    assert reader.lost() == {}


def test_sleeps_when_nothing_comes_and_is_woken_by_the_next_record(reader: RingReader) -> None:
    while reader.period != ASLEEP:
        reader.read()
    run("/bin/true")
    readable, _, _ = select.select([reader.fileno()], [], [], 10)
    assert readable
    assert reader.read()
    assert reader.period == AWAKE


def test_nobody_is_woken_for_each_record_while_the_reader_is_awake(reader: RingReader) -> None:
    while not reader.read():
        run("/bin/true")
    with select.epoll() as poll:
        poll.register(reader.fileno(), select.EPOLLIN | select.EPOLLET)
        poll.poll(0)
        run("/bin/true")
        assert poll.poll(0) == []
    assert reader.read()


def test_an_object_that_is_not_built_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bpf_object, "OBJECTS", tmp_path)
    with pytest.raises(RungUnavailable, match="not built") as refused:
        RingReader("exec", SMALL)
    assert refused.value.fix == "make bpf"


def test_an_object_that_is_damaged_is_refused_and_gives_everything_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmp_path.joinpath("exec.bpf.o").write_bytes(b"\x7fELF" + os.urandom(500))
    monkeypatch.setattr(bpf_object, "OBJECTS", tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(RungUnavailable, match="does not open"):
        RingReader("exec", SMALL)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
