"""Quotas, queues, disks that are full or fail, slow clients, and what else ingest serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from collector.clock import SystemClock
from collector.errors import Denied
from collector.ledger.disk import Disk
from collector.settings import Ingest as IngestSettings
from collector.settings import Settings
from evidence import checkpoint
from evidence.enrolment import RenewalReply
from evidence.kinds.collector import Act
from evidence.refusal import Code
from tests.collector.front import Answer, Front, serving
from tests.collector.ingest_play import play
from tests.collector.ledger.full import FullDisk
from tests.collector.station import Host, Station


class StillClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def limited(station: Station, **limits: int) -> Station:
    ingest = msgspec.structs.replace(station.settings.ingest, **limits)
    station.settings = msgspec.structs.replace(station.settings, ingest=ingest)
    return station


def test_quota_is_per_agent(station: Station, tmp_path: Path) -> None:
    limited(station, agent_batches_per_minute=2)
    keeper = station.keeper()
    first, second = station.enrol(keeper, tmp_path), station.enrol(keeper, tmp_path)
    clock = StillClock()

    async def main() -> None:
        async with serving(Front(station, keeper, clock)) as front:
            answers = [await front.send(first, first.batch()) for _ in range(3)]
            assert [answer.status for answer in answers] == [200, 200, 429]
            assert answers[2].refusal.code is Code.RATE_LIMITED
            assert answers[2].headers["retry-after"] == "30"
            assert (await front.send(second, second.batch())).status == 200
            clock.seconds = 30.0
            assert (await front.send(first, first.batch())).status == 200

    asyncio.run(main())
    keeper.close()


@pytest.mark.parametrize("limits", [{"queue_batches": 2}, {"queue_bytes": 1000}])
def test_a_full_queue_refuses_before_the_body(
    station: Station, tmp_path: Path, limits: dict[str, int]
) -> None:
    limited(station, **limits)

    async def act(front: Front, host: Host) -> None:
        batches = [host.batch() for _ in range(8)]
        answers = await asyncio.gather(*(front.send(host, sealed) for sealed in batches))
        refused = [answer for answer in answers if answer.status != 200]
        assert refused
        assert {(one.status, one.refusal.code) for one in refused} == {(503, Code.OVERLOADED)}
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)

    play(station, tmp_path, act)


def test_the_disk_floor_refuses_and_recovers(tmp_path: Path) -> None:
    floor = IngestSettings(free_floor_bytes=1 << 60)
    station = Station(tmp_path / "state", Settings(ingest=floor))

    async def act(front: Front, host: Host) -> None:
        answer = await front.send(host, host.batch())
        assert (answer.status, answer.refusal.code) == (503, Code.DISK_FULL)
        assert int(answer.headers["retry-after"]) >= 1

    play(station, tmp_path, act)


class CountingDisk(Disk):
    """Counts groups."""

    groups = 0

    def sync_both(self, one: int, other: int) -> None:
        self.groups += 1
        super().sync_both(one, other)


def test_what_has_come_when_a_group_is_due_belongs_to_it(station: Station, tmp_path: Path) -> None:
    disk = CountingDisk()

    async def act(front: Front, host: Host) -> None:
        batches = [host.batch(), host.batch()]
        disk.groups = 0
        first = asyncio.create_task(front.send(host, batches[0]))
        await asyncio.sleep(0)
        answers = await asyncio.gather(first, front.send(host, batches[1]))
        assert [answer.status for answer in answers] == [200, 200]
        assert disk.groups == 1

    play(station, tmp_path, act, disk)


class FailingDisk(Disk):
    """Fails at the sync, as a device that dies."""

    failing = False

    def sync(self, file: int) -> None:
        if self.failing:
            raise OSError(5, "Input/output error")
        super().sync(file)


def test_a_failed_device_is_a_fault(station: Station, tmp_path: Path) -> None:
    disk = FailingDisk()

    async def act(front: Front, host: Host) -> None:
        sealed = host.batch()
        disk.failing = True
        answer = await front.send(host, sealed)
        assert (answer.status, answer.refusal.code) == (500, Code.FAULT)
        assert "retry-after" in answer.headers

    play(station, tmp_path, act, disk)
    keeper = station.keeper()
    assert keeper.ledger.size == 2
    keeper.close()


def test_a_full_disk_is_answered_and_the_resend_is_accepted(station: Station, tmp_path: Path) -> None:
    disk = FullDisk()

    async def act(front: Front, host: Host) -> None:
        batches = [host.batch() for _ in range(6)]
        disk.room = 100
        answers = await asyncio.gather(*(front.send(host, sealed) for sealed in batches))
        assert {answer.refusal.code for answer in answers} == {Code.DISK_FULL}
        disk.room = None
        answers = await asyncio.gather(*(front.send(host, sealed) for sealed in batches))
        assert [answer.receipt.duplicate for answer in answers] == [False] * 6

    play(station, tmp_path, act, disk)


def test_renewal_goes_to_the_registrar(station: Station, tmp_path: Path) -> None:
    keeper = station.keeper()
    host = station.enrol(keeper, tmp_path)

    def renew(agent: str, body: bytes) -> RenewalReply:
        if body != b"please":
            raise Denied("no")
        return RenewalReply(certificate=agent, ca="bundle")

    async def main() -> list[Answer]:
        async with serving(Front(station, keeper, renew=renew)) as front:
            ask = [(host.agent, b"please"), (host.agent, b"now"), (None, b"please")]
            return [await front.ask("POST", "/v1/renew", agent=who, body=[body]) for who, body in ask]

    renewed, denied, unknown = asyncio.run(main())
    keeper.close()
    assert msgspec.json.decode(renewed.body) == {"certificate": host.agent, "ca": "bundle"}
    assert denied.refusal.code is Code.REFUSED
    assert unknown.refusal.code is Code.UNKNOWN_AGENT


def test_unknown_paths(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        for method, path in [("GET", "/v1/batches"), ("GET", "/"), ("GET", "/tile/0/999"), ("PUT", "/tile/")]:
            answer = await front.ask(method, path, agent=host.agent)
            assert (path, answer.refusal.code, answer.status) == (path, Code.NOT_FOUND, 404)

    play(station, tmp_path, act)


def test_checkpoint_and_tiles_are_served(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        for _ in range(3):
            await front.send(host, host.batch())
        note = await front.ask("GET", "/checkpoint", agent=host.agent)
        assert checkpoint.verify_note(note.body, station.verifier).size == 5
        tile = await front.ask("GET", "/tile/0/000.p/5", agent=host.agent)
        assert tile.body == b"".join(front.keeper.ledger.leaf(index) for index in range(5))

    play(station, tmp_path, act)


def test_a_body_longer_than_announced_is_cut_off(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        length = [(b"content-length", b"10")]
        answer = await front.ask(
            "POST", "/v1/batches", agent=host.agent, body=[b"12345678", b"12345678"], headers=length
        )
        assert answer.refusal.code is Code.TOO_LARGE
        length = [(b"content-length", b"9" * 12)]
        answer = await front.ask("POST", "/v1/batches", agent=host.agent, headers=length)
        assert answer.refusal.code is Code.TOO_LARGE

    play(station, tmp_path, act)


def test_a_client_that_stalls_is_told_so_after_a_while(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        answer = await front.ask("POST", "/v1/batches", agent=host.agent, body=[b"12", b"34"], stalls=True)
        assert (answer.refusal.code, answer.status) == (Code.BAD_REQUEST, 400)
        assert (await front.send(host, host.batch())).status == 200

    play(station, tmp_path, act)


def test_acts_are_a_chain_of_the_collectors_own(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        acts = [front.intake.record(Act(user="ann", verb="query", detail={"sql": str(n)})) for n in range(5)]
        await asyncio.gather(*acts, front.send(host, host.batch()))

    play(station, tmp_path, act)
    keeper = station.keeper()
    keeper.record(Act(user="bob", verb="export"))
    states = keeper.projection.chains.states()
    keeper.close()
    mine = [state for (_, _, lane), state in states.items() if lane == "priority" and state.contiguous]
    assert [(state.contiguous, state.is_whole) for state in mine] == [(6, True)]
