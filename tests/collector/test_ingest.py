"""Ingest accepts what an agent sealed, once, and refuses all else with its own code."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import zstandard

from collector.clock import SystemClock
from collector.errors import Denied
from collector.ledger.disk import Disk
from collector.ledger.reader import LedgerReader
from collector.settings import Ingest as IngestSettings
from collector.settings import Settings
from collector.turned_away import VERB
from evidence import checkpoint, codec, dsse, entry, frame, receipt, refusal, seal, statement
from evidence.enrolment import RenewalReply, RevocationRecord
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.kinds.collector import Act
from evidence.refusal import Code
from evidence.seal import SealedBatch
from evidence.statement import Dropped, Head

from .front import Answer, Front, serving
from .ledger.full import FullDisk
from .station import Host, Station

Play = Callable[[Front, Host], Awaitable[None]]


def play(station: Station, folder: Path, act: Play, disk: Disk | None = None) -> None:
    """Run act against a new ingest application, with one enrolled host."""
    keeper = station.keeper(disk)
    host = station.enrol(keeper, folder)

    async def main() -> None:
        async with serving(Front(station, keeper)) as front:
            await act(front, host)

    try:
        asyncio.run(main())
    finally:
        keeper.close()


def reseal(host: Host, good: SealedBatch, **changes: object) -> SealedBatch:
    """Sign good's statement anew with some fields changed."""
    said = msgspec.structs.replace(good.statement, **changes)
    payload = statement.to_bytes(said)
    envelope = dsse.encode(payload, statement.PAYLOAD_TYPE, host.key)
    return SealedBatch(said, statement.digest(payload), envelope, good.data)


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


def lying_frame(raw: bytes, declared: int) -> bytes:
    """Return a frame of raw whose header says another content size (RFC 8878, 3.1.1.1: 4-byte field)."""
    data = zstandard.ZstdCompressor(write_content_size=True).compress(raw)
    assert data[4] >> 6 == 2
    return data[:5] + declared.to_bytes(4, "little") + data[9:]


def with_data(host: Host, data: bytes, raw_length: int) -> bytes:
    good = host.batch()
    digest = statement.digest(data)
    forged = reseal(host, good, sha256=digest, length=len(data), raw_length=raw_length)
    return seal.request_body(forged.envelope, data)


def bad_requests(host: Host, other: Host) -> dict[str, tuple[Code, str | None, bytes]]:
    """Return by name: the code that is due, whose connection it is, and the body."""
    good = host.batch()
    envelope, data = good.envelope, good.data
    bomb = frame.compress(bytes(64 << 20))
    stranger = Host(host.agent, PrivateKey(b"s" * 32), host.anchor, host.pem)
    spaced = envelope.replace(b'":', b'": ', 1)
    altered = envelope[:-20] + (b"A" if envelope[-20:-19] != b"A" else b"B") + envelope[-19:]
    past = reseal(host, good, dropped=(Dropped("bulk", 1, 99, "spool full"),))
    huge = seal.request_body(envelope, bytes(seal.DATA_LIMIT + 1))
    return {
        "too short": (Code.BAD_REQUEST, host.agent, b"\0\0"),
        "cut inside the envelope": (Code.BAD_REQUEST, host.agent, host.body(good)[:100]),
        "data too large": (Code.TOO_LARGE, host.agent, huge),
        "envelope too large": (Code.TOO_LARGE, host.agent, b"\0\0\x20\0" + bytes(8192)),
        "no certificate identity": (Code.UNKNOWN_AGENT, None, host.body(good)),
        "never enrolled": (Code.UNKNOWN_AGENT, "0" * 32, host.body(good)),
        "replayed by another client": (Code.NOT_THIS_AGENT, other.agent, host.body(good)),
        "names another agent": (
            Code.NOT_THIS_AGENT,
            host.agent,
            host.body(reseal(host, good, agent=other.agent)),
        ),
        "white space": (Code.NOT_CANONICAL, host.agent, seal.request_body(spaced, data)),
        "no JSON": (Code.NOT_CANONICAL, host.agent, seal.request_body(b"hello", data)),
        "wrong key": (Code.BAD_SIGNATURE, host.agent, host.body(stranger.batch())),
        "altered signature": (Code.BAD_SIGNATURE, host.agent, seal.request_body(altered, data)),
        "unknown codec": (Code.BAD_STATEMENT, host.agent, host.body(reseal(host, good, codec="xml"))),
        "sequence 0": (Code.BAD_STATEMENT, host.agent, host.body(reseal(host, good, seq=0))),
        "drops its own future": (Code.BAD_STATEMENT, host.agent, host.body(past)),
        "another epoch": (Code.WRONG_EPOCH, host.agent, host.body(reseal(host, good, epoch=2))),
        "other data": (
            Code.BAD_DIGEST,
            host.agent,
            seal.request_body(envelope, data[:-1] + bytes([data[-1] ^ 1])),
        ),
        "data cut": (Code.BAD_DIGEST, host.agent, host.body(good)[:-1]),
        "declares another size": (Code.BAD_DIGEST, host.agent, with_data(host, data, 7)),
        "signed bomb": (Code.TOO_LARGE, host.agent, with_data(host, bomb, 64 << 20)),
        "bomb that lies": (
            Code.BAD_DIGEST,
            host.agent,
            with_data(host, lying_frame(bytes(64 << 20), 4 << 20), 1000),
        ),
        "no zstd": (Code.BAD_FRAME, host.agent, with_data(host, b"plain text", 10)),
        "two frames": (Code.BAD_FRAME, host.agent, with_data(host, data + data, good.statement.raw_length)),
        "skippable frame": (Code.BAD_FRAME, host.agent, with_data(host, b"\x50\x2a\x4d\x18\0\0\0\0", 0)),
        "no data": (Code.DATA_MISSING, host.agent, host.body(good, data=False)),
    }


def test_each_bad_request_has_its_own_code_and_leaves_no_trace(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        other = station.enrol(front.keeper, tmp_path)
        size = front.keeper.ledger.size
        for name, (code, agent, body) in bad_requests(host, other).items():
            answer = await front.post(agent, body)
            assert (name, answer.refusal.code) == (name, code)
            assert answer.status == refusal.STATUS[code]
            retry = code in refusal.RETRY
            assert ("retry-after" in answer.headers) is retry, name
        assert front.keeper.ledger.size == size

    play(station, tmp_path, act)


def test_every_code_that_ingest_gives_is_covered(station: Station, tmp_path: Path) -> None:
    given: set[Code] = set()

    async def act(front: Front, host: Host) -> None:
        other = station.enrol(front.keeper, tmp_path)
        given.update(code for code, _, _ in bad_requests(host, other).values())

    play(station, tmp_path, act)
    elsewhere = {
        Code.RATE_LIMITED,  # test_quota_is_per_agent
        Code.OVERLOADED,  # test_a_full_queue_refuses_before_the_body
        Code.DISK_FULL,  # test_the_disk_floor_refuses_and_recovers
        Code.REVOKED,  # test_revocation_bites_on_open_connections_and_keeps_what_was_there
        Code.EQUIVOCATION,  # test_a_fork_is_kept_and_contests_what_follows
        Code.REFUSED,  # test_renewal_goes_to_the_registrar
        Code.NOT_FOUND,  # test_unknown_paths
        Code.FAULT,  # test_a_failed_device_is_a_fault
    }
    assert given | elsewhere == set(Code)
    assert not given & elsewhere


def mutate(good: bytes, chance: random.Random) -> bytes:
    """Return good with one thing about it changed."""
    raw = bytearray(good)
    at = chance.randrange(len(raw))
    how = chance.randrange(5)
    if how == 0:
        raw[at] ^= 1 << chance.randrange(8)
    elif how == 1:
        del raw[at : at + chance.randint(1, 8)]
    elif how == 2:
        raw[at:at] = chance.randbytes(chance.randint(1, 8))
    elif how == 3:
        raw = raw[:at]
    else:
        raw[at : at + 4] = chance.randbytes(4)
    return bytes(raw)


def test_a_thousand_mutations_of_a_good_request_are_all_refused(station: Station, tmp_path: Path) -> None:
    async def act(front: Front, host: Host) -> None:
        good = host.body(host.batch())
        size = front.keeper.ledger.size
        chance = random.Random(7)  # noqa: S311 - repeatable mutations
        seen: set[Code] = set()
        for _ in range(1000):
            body = mutate(good, chance)
            if body == good:
                continue
            seen.add((await front.post(host.agent, body)).refusal.code)
        assert front.keeper.ledger.size == size
        assert {Code.BAD_DIGEST, Code.BAD_SIGNATURE, Code.NOT_CANONICAL, Code.BAD_REQUEST} <= seen
        assert Code.FAULT not in seen
        assert (await front.post(host.agent, good)).status == 200

    play(station, tmp_path, act)


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


def test_a_client_that_stalls_is_told_so_after_a_while(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.ingest._BODY_SECONDS", 0.01)

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
