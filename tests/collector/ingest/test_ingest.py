"""Ingest accepts what an agent sealed, once, and keeps it whatever the order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec

from collector.ingest.turned_away import VERB
from collector.ledger.reader import LedgerReader
from evidence import codec, entry, frame, receipt
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.refusal import Code
from evidence.statement import Dropped, Head
from tests.collector.front import Front
from tests.collector.ingest_play import play
from tests.collector.station import Host, Station


def test_a_batch_gets_a_receipt_that_its_host_can_verify(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        known = None
        for _ in range(5):
            sealed = host.batch()
            answer = await front.post(host.agent, host.body(sealed), known.size if known else 0)
            raw = entry.encode(EntryType.BATCH, sealed.envelope)
            known = receipt.check(answer.receipt, raw, station.verifier, known)
        assert known is not None
        assert known.size == front.keeper.ledger.size

    play(station, tmp_path, act)


def test_an_identical_resend_gets_a_receipt_and_no_second_row(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        sealed = host.batch()
        first = (await front.send(host, sealed)).receipt
        await front.send(host, host.batch())
        size = front.keeper.ledger.size
        again = (await front.send(host, sealed)).receipt
        assert (again.index, again.duplicate, first.duplicate) == (first.index, True, False)
        raw = entry.encode(EntryType.BATCH, sealed.envelope)
        assert receipt.check(again, raw, station.verifier, None).size == size == front.keeper.ledger.size

    play(station, tmp_path, act)


def test_the_same_batch_on_many_connections_at_once_is_one_row(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        sealed = host.batch()
        size = front.keeper.ledger.size
        answers = await asyncio.gather(*(front.send(host, sealed) for _ in range(8)))
        assert front.keeper.ledger.size == size + 1
        assert sorted(answer.receipt.duplicate for answer in answers) == [False] + [True] * 7

    play(station, tmp_path, act)


def test_shuffled_arrival_gives_the_same_chain(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        batches = [host.batch(lane=lane) for _ in range(20) for lane in ("bulk", "priority")]
        random.Random(5).shuffle(batches)  # noqa: S311 - a fixed shuffle
        answers = await asyncio.gather(*(front.send(host, sealed) for sealed in batches))
        assert len({answer.receipt.index for answer in answers}) == 40
        states = front.keeper.projection.chains.states()
        for lane in ("bulk", "priority"):
            state = states[host.agent, 1, lane]
            assert (state.contiguous, state.is_whole) == (20, True)

    play(station, tmp_path, act)


def test_a_fork_is_kept_and_contests_what_follows(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        before = host.batch()
        await front.send(host, before)
        clone = host.batch(host.events(3), after=Head(0, host.anchor))
        forked = await front.send(host, clone)
        assert forked.refusal.code is Code.EQUIVOCATION
        size = front.keeper.ledger.size
        assert (await front.send(host, clone)).refusal.code is Code.EQUIVOCATION
        assert front.keeper.ledger.size == size
        after = (await front.send(host, host.batch())).receipt
        contest = front.keeper.projection.contest
        assert contest.is_contested(host.agent, after.index)
        assert not contest.is_contested(host.agent, size - 2)
        setting = {"name": "contested", "object": host.agent, "value": "off", "time": 1}
        decided = msgspec.json.encode({**setting, "author": "admin", "reason": "the clone is gone"})
        await front.intake.append(EntryType.SETTING, decided)
        later = (await front.send(host, host.batch())).receipt
        assert not contest.is_contested(host.agent, later.index)

    play(station, tmp_path, act)
    items = list(LedgerReader(station.paths.ledger).items(0, 100))
    forks = [item for item in items if item.type is EntryType.EQUIVOCATION]
    assert len(forks) == 1
    assert forks[0].data


def test_data_given_up_is_accepted_once_its_host_signed_that(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        lost = [host.batch(), host.batch()]
        missing = await front.send(host, lost[0], data=False)
        assert (missing.refusal.code, missing.status) == (Code.DATA_MISSING, 409)
        said = Dropped(lane="bulk", first=1, last=2, cause="spool full")
        await front.send(host, host.batch(dropped=(said,)))
        for sealed in lost:
            assert not (await front.send(host, sealed, data=False)).receipt.duplicate
        state = front.keeper.projection.chains.states()[host.agent, 1, "bulk"]
        assert (state.contiguous, state.is_whole) == (3, True)

    play(station, tmp_path, act)


def test_another_host_cannot_say_that_data_was_given_up(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        other = station.enrol(front.keeper, tmp_path)
        other.batch()
        await front.send(other, other.batch(dropped=(Dropped("bulk", 1, 1, "spool full"),)))
        assert (await front.send(host, host.batch(), data=False)).refusal.code is Code.DATA_MISSING

    play(station, tmp_path, act)


def test_revocation_bites_on_open_connections_and_keeps_what_was_there(
    station: Station, tmp_path: Path
) -> None:
    async def act(front: Front, host: Host) -> None:
        first = host.batch()
        await front.send(host, first)
        record = RevocationRecord(agent=host.agent, epoch=None, time=1, author="admin", reason="stolen")
        during = asyncio.create_task(front.intake.append(EntryType.REVOCATION, msgspec.json.encode(record)))
        await asyncio.sleep(0)
        racing = await front.send(host, host.batch())
        await during
        assert racing.refusal.code is Code.REVOKED
        assert (await front.send(host, host.batch())).refusal.code is Code.REVOKED
        await front.intake.record_turned_away()
        await front.intake.record_turned_away()

    play(station, tmp_path, act)
    items = list(LedgerReader(station.paths.ledger).items(0, 100))
    assert [item.type.name for item in items] == ["ENROLMENT", "ENROLMENT", "BATCH", "REVOCATION", "ACT"]
    assert items[-1].data is not None
    told = codec.decode(frame.decompress(items[-1].data, 1 << 20)).events[0]
    assert msgspec.to_builtins(told)["body"]["verb"] == VERB
    assert msgspec.to_builtins(told)["body"]["detail"]["count"] == "2"
