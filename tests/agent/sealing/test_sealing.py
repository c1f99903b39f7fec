"""From the lanes into a real outbox on a disk that can fail: chained, signed, nothing lost, nothing twice."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from agent import settings
from agent.sealing.batching import MARGIN, Batching
from agent.sealing.keeper import Keeper
from agent.sealing.lanes import Lanes, Queued
from agent.sealing.last_run import LastRun
from agent.sealing.losses import LossBook
from agent.sealing.sealer import Sealer, Signing
from agent.sensor import Moment
from agent.spool.outbox import Outbox
from evidence.codec import encode_line
from evidence.event import Event, stamp
from evidence.kind import Body, Lane
from evidence.kinds.process import Exec
from evidence.statement import Loss, Statement
from tests.agent.chain import AGENT, FOLDER, KEY, Host
from tests.agent.enrolled_host import sealed
from tests.agent.fake_disk import FakeDisk

SECOND = 1_000_000_000
LIMITS = settings.Spool(max_bytes=8 << 20, free_floor_bytes=1, segment_bytes=1 << 20)


class Bench:
    """Batching over an outbox in memory, driven by a clock that a test moves."""

    def __init__(self, folder: Path, limits: settings.Batch | None = None) -> None:
        self.disk = FakeDisk()
        self.host = Host(self.disk, limits=LIMITS)
        self.reopened = self.errands = self.seq = 0
        self.lanes, self.losses, self.last_run = (
            Lanes(limits or settings.Batch()),
            LossBook(),
            LastRun(folder),
        )
        sealer = Sealer(self.host.outbox, self._reopen, Signing(AGENT, 1, KEY, "boot"), self._errand)
        self.batching = Batching(self.lanes, self.losses, sealer, Keeper(), self.last_run)
        self.now = Moment(1_000 * SECOND, 10 * SECOND)

    def _reopen(self) -> Outbox:
        self.reopened += 1
        return self.host.open()

    def _errand(self) -> None:
        self.errands += 1

    def offer(self, lane: Lane = "bulk", text: str = "x") -> None:
        self.seq += 1
        event: Event[Body] = stamp(
            Exec(pid=self.seq, argv=(text,)), seq=self.seq, time=self.now.time, mono=self.now.mono
        )
        item = Queued(encode_line(event), event.seq, event.time, self.now.mono)
        assert self.lanes.queue(lane).offer(item)

    def settle(self, seconds: float = 0.0) -> None:
        """Move the clock, then pump until every job is done and none is due."""
        step = int(seconds * SECOND)
        self.now = Moment(self.now.time + step, self.now.mono + step)
        self.batching.pump(self.now)
        while self.batching.busy:
            assert select.select([self.batching.fileno()], [], [], 30)[0]
            self.batching.drain()
            self.batching.pump(self.now)

    def statements(self, lane: Lane) -> list[tuple[Statement, list[int]]]:
        found = sealed(FOLDER, lane, self.disk)
        return [(said, [event.seq for event in events]) for said, events in found]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_batches_are_sealed_when_due_and_each_quotes_the_other_lane(bench: Bench) -> None:
    bench.offer("bulk")
    bench.offer("priority")
    bench.settle()
    assert bench.statements("priority") == bench.statements("bulk") == []
    bench.settle(1.0)
    assert [seqs for _, seqs in bench.statements("priority")] == [[2]]
    assert bench.statements("bulk") == []
    bench.settle(1.0)
    ((said, seqs),) = bench.statements("bulk")
    assert seqs == [1]
    assert said.other == bench.host.outbox.head("priority")
    assert (said.boot, said.first_seq, said.last_seq) == ("boot", 1, 1)


def test_a_full_disk_costs_nothing_and_is_tried_again_later(bench: Bench) -> None:
    bench.losses.sign([Loss("agent died", 1, 2)])
    bench.offer()
    bench.disk.capacity = 0
    bench.settle(2.0)
    assert bench.batching.problem is not None
    bench.disk.capacity = 1 << 40
    bench.settle(0.5)
    assert bench.statements("bulk") == []
    bench.settle(1.0)
    ((said, seqs),) = bench.statements("bulk")
    assert seqs == [1]
    assert said.loss == (Loss("agent died", 1, 2),)
    assert bench.reopened == 0
    assert bench.batching.problem is None


def test_a_spool_whose_content_is_uncertain_is_opened_again_before_the_next_attempt(bench: Bench) -> None:
    bench.offer()
    bench.disk.fail_from = bench.disk.steps + 2  # written, then neither flushed nor cut back
    bench.settle(2.0)
    assert bench.batching.problem is not None
    bench.disk.fail_from = None
    bench.settle(1.0)
    ((_, seqs),) = bench.statements("bulk")
    assert seqs == [1]
    assert bench.reopened == 1


def test_every_step_of_storing_may_fail_and_each_event_is_stored_once_or_its_loss_is_signed(
    tmp_path: Path,
) -> None:
    probe = Bench(tmp_path)
    probe.offer()
    before = probe.disk.steps
    probe.settle(2.0)
    steps = probe.disk.steps - before
    assert steps > 3
    for step in range(1, steps + 1):
        bench = Bench(tmp_path)
        bench.offer()
        bench.disk.fail_at = bench.disk.steps + step
        bench.settle(2.0)
        bench.offer()
        for _ in range(4):
            bench.settle(40.0)
        found = bench.statements("bulk")
        dropped = {at for said, _ in found for one in said.dropped for at in range(one.first, one.last + 1)}
        for said, seqs in found:
            assert seqs or said.seq in dropped, f"failed at step {step}: data gone and not said"
        told = [said.first_seq for said, _ in found]
        assert sorted(told, key=lambda seq: seq or 0) == [1, 2], f"failed at step {step}"


def test_a_batch_too_large_for_one_statement_is_split(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings.Batch(max_bytes=64 << 20))
    for _ in range(80):
        bench.offer(text="x" * 240_000)
    bench.settle(2.0)
    found = bench.statements("bulk")
    assert len(found) > 1
    assert [seq for _, seqs in found for seq in seqs] == list(range(1, 81))


def test_what_is_covered_stays_behind_what_still_waits(bench: Bench) -> None:
    began = bench.now.time
    bench.offer("bulk")
    bench.settle(0.5)
    bench.offer("priority")
    bench.settle(1.0)
    assert len(bench.statements("priority")) == 1
    assert bench.last_run.covered() == began - MARGIN
    bench.settle(0.5)
    assert bench.last_run.covered() == bench.now.time - MARGIN


def test_receipts_are_looked_for_while_statements_wait(bench: Bench) -> None:
    bench.settle(5.0)
    assert bench.errands == 0
    bench.offer()
    bench.settle(2.0)
    assert bench.errands == 1
    bench.settle(1.0)
    assert bench.errands == 1
    bench.settle(1.0)
    assert bench.errands == 2


def test_the_end_seals_all_and_says_farewell(bench: Bench) -> None:
    bench.offer("bulk")
    bench.offer("priority")
    assert bench.batching.finish(lambda: bench.now, 10)
    assert [seqs for _, seqs in bench.statements("priority")] == [[2]]
    assert bench.host.open().clean


def test_without_a_farewell_the_next_start_is_unclean(bench: Bench) -> None:
    bench.offer()
    bench.settle(2.0)
    assert not bench.host.open().clean


def test_an_end_on_a_dead_disk_comes_in_time_and_is_no_farewell(bench: Bench) -> None:
    bench.offer()
    bench.disk.capacity = 0
    assert not bench.batching.finish(lambda: bench.now, 10)
    bench.disk.capacity = 1 << 40
    assert bench.statements("bulk") == []
