"""Whatever an agent did not seal is refused with a code of its own, and leaves no trace."""

from __future__ import annotations

import random
from pathlib import Path

import zstandard

from evidence import frame, refusal, seal, statement
from evidence.keys import PrivateKey
from evidence.refusal import Code
from evidence.statement import Dropped
from tests.collector.front import Front
from tests.collector.ingest_play import play, reseal
from tests.collector.station import Host, Station
from tests.mutation import mutate


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
