from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpoolError, SpoolUncertain
from agent.settings import Spool
from agent.spool import record, segment
from agent.spool.outgoing import Outgoing
from evidence import entry
from evidence.entry import EntryType
from evidence.kind import Lane
from evidence.seal import SealedBatch
from evidence.statement import Dropped
from tests.agent.chain import ENTRY, FOLDER, LIMITS, SPOOL_KEY, Host, sealed
from tests.agent.fake_disk import Crash, FakeDisk


def posted(disk: FakeDisk) -> dict[tuple[str, int], tuple[bytes, bytes]]:
    """Everything ship would post, read as ship reads it."""
    outgoing = Outgoing(FOLDER, SPOOL_KEY, disk)
    outgoing.refresh()
    found: dict[tuple[str, int], tuple[bytes, bytes]] = {}
    lanes: tuple[Lane, Lane] = ("priority", "bulk")
    for lane in lanes:
        while (place := outgoing.peek(lane)) is not None:
            outgoing.take(lane)
            parcel = outgoing.open(place)
            if parcel is not None:
                found[lane, place.seq] = (parcel.envelope, parcel.data)
    return found


def as_posted(batches: list[SealedBatch]) -> dict[tuple[str, int], tuple[bytes, bytes]]:
    return {(b.statement.lane, b.statement.seq): (b.envelope, b.data) for b in batches}


def test_before_the_first_statement_the_head_is_the_enrolment_entry() -> None:
    host = Host(FakeDisk())
    assert (host.outbox.head("bulk").seq, host.outbox.head("bulk").hash) == (0, ENTRY)
    assert host.outbox.last_event_seq == 0
    assert host.outbox.clean


def test_appended_batches_are_posted_as_they_were_sealed_also_after_a_restart() -> None:
    disk = FakeDisk()
    host = Host(disk)
    for at in range(40):
        host.append("priority" if at % 3 else "bulk", size=400)
    assert posted(disk) == as_posted(host.appended)
    heads = host.outbox.head("priority"), host.outbox.head("bulk")
    host.open()
    assert (host.outbox.head("priority"), host.outbox.head("bulk")) == heads
    assert host.outbox.last_event_seq == 40
    assert not host.outbox.clean
    host.append()
    assert posted(disk) == as_posted(host.appended)


def test_a_farewell_makes_the_next_start_clean_once() -> None:
    host = Host(FakeDisk())
    host.append()
    host.outbox.farewell()
    assert host.open().clean
    assert not host.open().clean


def test_a_batch_that_does_not_follow_its_head_is_refused() -> None:
    host = Host(FakeDisk())
    batch = sealed(host.outbox, "bulk", 1)
    host.outbox.append(batch)
    with pytest.raises(SpoolError, match="does not follow"):
        host.outbox.append(batch)


def test_the_data_on_disk_is_encrypted() -> None:
    disk = FakeDisk()
    host = Host(disk)
    batch = host.append(size=60)
    assert not any(batch.data[8:40] in bytes(file.volatile) for file in disk.files.values())


def test_a_verified_receipt_deletes_and_a_lie_does_not() -> None:
    disk = FakeDisk()
    host = Host(disk)
    first, second = host.append(), host.append()
    host.hand(first, host.log.accept(second, 1))
    host.hand(second, "{}")
    assert host.outbox.take_receipts(1) == 0
    assert host.outbox.waiting == 2
    assert host.deliver(first) == 1
    assert host.deliver(second) == 1
    assert host.outbox.waiting == 0
    assert host.outbox.seen is not None
    assert host.outbox.seen.size == host.log.tree.size


def test_acknowledged_segments_are_deleted_and_nothing_is_sent_again() -> None:
    disk = FakeDisk()
    host = Host(disk)
    batches = [host.append("bulk", size=900) for _ in range(60)]
    before = host.outbox.bytes
    for batch in batches:
        host.deliver(batch)
    assert host.outbox.bytes < before / 5
    assert posted(disk) == {}
    host.open()
    assert host.outbox.waiting == 0
    assert host.outbox.damage() == ()
    assert posted(disk) == {}


def test_a_segment_that_must_wait_holds_nobody_elses_data() -> None:
    disk = FakeDisk()
    host = Host(disk)
    batches = [host.append("bulk", size=900) for _ in range(60)]
    for batch in batches[1:]:
        host.deliver(batch)
    data = [name for name in disk.names(FOLDER / "out") if name.endswith(".data")]
    assert len(data) == 2
    assert list(posted(disk)) == [("bulk", 1)]
    host.open()
    assert host.outbox.damage() == ()
    host.deliver(batches[0])
    assert posted(disk) == {}


def test_a_full_spool_drops_bulk_data_first_and_keeps_every_statement() -> None:
    disk = FakeDisk()
    host = Host(disk, limits=Spool(max_bytes=120_000, free_floor_bytes=1, segment_bytes=1024))
    urgent = [host.append("priority", size=60) for _ in range(5)]
    for _ in range(80):
        host.append("bulk", size=60)
    host.append("bulk")
    found = posted(disk)
    assert set(found) == set(as_posted(host.appended))
    assert all(found["priority", batch.statement.seq][1] == batch.data for batch in urgent)
    gone = {seq for (lane, seq), (_, data) in found.items() if lane == "bulk" and not data}
    assert gone
    told: list[Dropped] = [item for batch in host.appended for item in batch.statement.dropped]
    told += host.outbox.dropped()
    assert {seq for item in told for seq in range(item.first, item.last + 1)} == gone
    assert {item.cause for item in told} == {"spool_full"}
    assert host.outbox.bytes <= 120_000


def fill(host: Host) -> None:
    for _ in range(200):
        host.append("priority", size=60)


def test_when_statements_alone_fill_the_spool_append_says_so_and_works_again_later() -> None:
    disk = FakeDisk()
    host = Host(disk, limits=Spool(max_bytes=40_000, free_floor_bytes=1, segment_bytes=1024))
    with pytest.raises(SpoolError, match="max_bytes"):
        fill(host)
    count = len(host.appended)
    assert len(posted(disk)) == count
    host.open()
    host.limits = LIMITS
    host.open()
    host.append()
    assert len(posted(disk)) == count + 1


def test_a_disk_that_others_filled_costs_data_but_no_statement() -> None:
    disk = FakeDisk()
    host = Host(disk, limits=Spool(max_bytes=1 << 20, free_floor_bytes=100_000, segment_bytes=1024))
    host.append("bulk")
    disk.capacity = disk.used() + 60_000
    batch = host.append("bulk")
    found = posted(disk)
    assert found["bulk", batch.statement.seq] == (batch.envelope, b"")
    disk.capacity = 1 << 40
    assert Dropped("bulk", 1, 2, "spool_full") in host.outbox.dropped() or host.outbox.dropped()
    after = host.append("bulk")
    assert after.statement.dropped
    assert host.outbox.dropped() == ()
    host.open()
    assert host.outbox.dropped() == ()


def test_damage_is_passed_over_named_once_and_costs_only_what_it_hit() -> None:
    disk = FakeDisk()
    host = Host(disk)
    for _ in range(6):
        host.append("bulk")
    path = next(p for p in disk.files if p.name.endswith(".statements"))
    raw = disk.files[path].volatile
    third = list(record.scan(bytes(raw), segment.STATEMENT_MAGIC))[2]
    raw[third.offset + 60] ^= 1
    host.open()
    assert {seq for _, seq in posted(disk)} == {1, 2, 4, 5, 6}
    assert [loss.cause for loss in host.outbox.damage()] == ["spool_damage bulk 3-3"]
    host.append("bulk")
    assert host.outbox.damage() == ()
    assert host.open().damage() == ()


def test_a_file_without_a_single_statement_goes_to_quarantine_and_blocks_nothing() -> None:
    disk = FakeDisk()
    host = Host(disk)
    host.append("bulk")
    path = next(p for p in disk.files if p.name.endswith(".statements"))
    disk.files[path].volatile[:] = b"\xff" * 500
    host.open()
    assert disk.names(FOLDER / "quarantine") == [path.name]
    assert [loss.cause for loss in host.outbox.damage()] == ["spool_damage bulk 1-1"]
    host.append("bulk")
    assert {seq for _, seq in posted(disk)} == {2}


def test_data_that_ship_cannot_read_is_given_up_only_if_watch_cannot_either() -> None:
    disk = FakeDisk()
    host = Host(disk)
    first, second = host.append("bulk", size=50), host.append("bulk", size=50)
    host.hand(first, None)
    host.outbox.take_receipts(1)
    assert host.outbox.dropped() == ()
    path = next(p for p in disk.files if p.name.endswith(".data"))
    disk.files[path].volatile[-3] ^= 1
    host.hand(second, None)
    host.outbox.take_receipts(2)
    assert host.outbox.dropped() == (Dropped("bulk", 2, 2, "damaged"),)


def test_another_identitys_spool_is_refused() -> None:
    disk = FakeDisk()
    host = Host(disk)
    host.append()
    host.owner = type(host.owner)(host.log.key, host.log.note(), agent="cd" * 16)
    with pytest.raises(SpoolError, match="reset-identity"):
        host.open()


def test_a_lost_heads_file_is_rebuilt_from_statements_and_receipts() -> None:
    disk = FakeDisk()
    host = Host(disk)
    for _ in range(3):
        host.deliver(host.append("bulk"))
    last = host.append("priority")
    disk.remove(FOLDER / "out" / "heads")
    host.open()
    assert host.outbox.head("bulk").seq == 3
    assert host.outbox.head("priority") == last.head


def workload(host: Host, acknowledged: list[SealedBatch]) -> None:
    """Append and deliver in turns; what append returned for goes to acknowledged."""
    for at in range(8):
        lane: Lane = "priority" if at % 2 else "bulk"
        batch = host.append(lane, size=700)
        acknowledged.append(batch)
        if at % 3 == 2:
            host.deliver(acknowledged[at - 2])


def steps_of_workload() -> int:
    disk = FakeDisk()
    workload(Host(disk), [])
    return disk.steps


STEPS = steps_of_workload()


@settings(max_examples=200)
@given(st.integers(1, STEPS), st.integers(0, 1000))
def test_a_crash_at_any_step_loses_nothing_appended_and_never_doubles_a_number(step: int, seed: int) -> None:
    disk = FakeDisk()
    disk.crash_at = step
    kept: list[SealedBatch] = []
    host: Host | None = None
    log_sent: dict[tuple[str, int], tuple[bytes, bytes]] = {}
    try:
        host = Host(disk)
        workload(host, kept)
    except Crash:
        pass
    log_sent.update(posted(disk))
    after = disk.crash(seed)
    if host is None:
        Host(after)
        return
    host.disk = after
    host.open()
    assert host.outbox.damage() == ()
    found = posted(after)
    for batch in kept:
        key = batch.statement.lane, batch.statement.seq
        assert batch.statement.seq <= host.outbox.head(batch.statement.lane).seq
        if key in found:
            assert found[key] == (batch.envelope, batch.data)
        else:
            assert entry.encode(EntryType.BATCH, batch.envelope) in host.log.index
    for name, (envelope, _) in log_sent.items():
        if name in found:
            assert found[name][0] == envelope
    before = {key: value[0] for key, value in log_sent.items()}
    fresh = host.append("bulk")
    assert before.get(("bulk", fresh.statement.seq), fresh.envelope) == fresh.envelope


@settings(max_examples=150)
@given(st.integers(1, STEPS), st.booleans())
def test_a_failed_or_short_write_at_any_step_is_raised_or_harmless(step: int, short: bool) -> None:
    disk = FakeDisk()
    if short:
        disk.short_at = step
    else:
        disk.fail_at = step
    kept: list[SealedBatch] = []
    try:
        host = Host(disk)
    except SpoolError:
        return
    for at in range(8):
        try:
            kept.append(host.append("priority" if at % 2 else "bulk", size=700))
        except SpoolUncertain:
            host.open()
        except SpoolError:
            continue
    found = posted(disk)
    disk.fail_at = disk.short_at = None
    host.open()
    assert host.outbox.damage() == ()
    for batch in kept:
        envelope, data = found[batch.statement.lane, batch.statement.seq]
        assert envelope == batch.envelope
        told = [d for b in kept for d in b.statement.dropped] + list(host.outbox.dropped())
        dropped = any(
            d.lane == batch.statement.lane and d.first <= batch.statement.seq <= d.last for d in told
        )
        assert data == batch.data or dropped
    assert found == posted(disk)
