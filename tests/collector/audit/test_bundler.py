from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector.errors import QueryError
from evidence import audit
from evidence.bundle import Bundle
from evidence.decision import Retention
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.kind import Lane
from evidence.seal import SealedBatch
from evidence.statement import Dropped, Seen
from tests.collector.bundled import Record
from tests.collector.station import Host

LANES: tuple[Lane, Lane] = ("bulk", "priority")


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(tmp_path)
    yield made
    made.keeper.close()


def lanes(host: Host, count: int, seen: Seen | None = None) -> list[SealedBatch]:
    """Seal count batches, every third of them priority."""
    return [host.batch(lane="priority" if at % 3 == 0 else "bulk", seen=seen) for at in range(count)]


def seqs(made: Bundle, host: Host, lane: Lane) -> list[int]:
    chains = [chain for chain in audit.audit(made).chains if (chain.agent, chain.lane) == (host.agent, lane)]
    return [seq for chain in chains for seq in range(chain.first, chain.last + 1)]


def test_a_bundle_of_an_interval_is_complete_for_the_auditor(record: Record) -> None:
    one, two = record.host(), record.host()
    record.append(lanes(one, 300))
    middle = lanes(one, 6, record.seen())
    record.append(middle + lanes(two, 290))
    record.append(lanes(one, 100, record.seen()))
    record.store()
    made = record.bundle(start=middle[0].statement.sent, end=middle[-1].statement.sent)
    report = audit.audit(made)
    assert (report.status, report.problems, report.missing) == ("consistent, not anchored", (), ())
    for lane in LANES:
        inside = [each.statement.seq for each in middle if each.statement.lane == lane]
        assert set(inside) <= set(seqs(made, one, lane))
        assert len(seqs(made, one, lane)) <= len(inside) + 4


def test_a_bundle_about_events_holds_their_host_alone(record: Record) -> None:
    one, two = record.host(), record.host()
    record.append([*lanes(one, 6), *lanes(two, 6)])
    record.store()
    made = record.bundle((f"{one.agent}:1:3",))
    report = audit.audit(made)
    assert {chain.agent for chain in report.chains} == {one.agent}
    assert (report.problems, report.missing) == ((), ())
    assert all(piece.data for piece in made.pieces if piece.entry[0] == EntryType.BATCH)


def test_a_batch_that_is_not_there_is_missed_by_the_auditor(record: Record) -> None:
    host = record.host()
    batches = lanes(host, 12)
    gone = batches.pop(4)
    record.append(batches)
    record.store()
    report = audit.audit(record.bundle(start=0, end=time.time_ns()))
    assert report.status == "incomplete"
    assert [(gap.lane, gap.seq) for gap in report.missing] == [(gone.statement.lane, gone.statement.seq)]


def test_a_revocation_comes_along(record: Record) -> None:
    host = record.host()
    record.append(lanes(host, 3))
    payload = msgspec.json.encode(RevocationRecord(host.agent, None, time.time_ns(), "admin", "stolen"))
    record.keeper.append(EntryType.REVOCATION, payload)
    record.store()
    made = record.bundle((f"{host.agent}:1:1",))
    assert EntryType.REVOCATION in {EntryType(piece.entry[0]) for piece in made.pieces}
    assert audit.audit(made).problems == ()


@pytest.mark.parametrize("uids", [("0" * 32 + ":1:1",), ("nonsense",), ("a:b:c",), ()])
def test_events_that_are_not_there_are_named(record: Record, uids: tuple[str, ...]) -> None:
    record.store()
    with pytest.raises(QueryError, match="bundle"):
        record.bundle(uids)


def test_a_ledger_key_of_another_log_is_noticed(record: Record) -> None:
    record.append(lanes(record.host(), 1))
    record.store()
    made = record.bundle(start=0, end=time.time_ns())
    other = msgspec.structs.replace(made.manifest, ledger_key=f"x+{secrets.token_hex(4)}+AA")
    assert audit.audit(msgspec.structs.replace(made, manifest=other)).status == "broken"


def test_a_bundle_waits_for_the_store_and_says_if_that_is_behind(record: Record) -> None:
    host = record.host()
    record.append(lanes(host, 3))
    record.store()
    record.append(lanes(host, 3))
    with pytest.raises(QueryError, match="3 entries behind"):
        record.bundle(start=0, end=time.time_ns())


def test_data_given_up_comes_with_the_statement_that_says_so(record: Record) -> None:
    host = record.host()
    lost = host.batch()
    early = lanes(host, 8)
    record.append(early)
    later = host.batch(dropped=(Dropped("bulk", 1, 1, "spool_full"),))
    record.append([later])
    record.append_without_data(lost)
    record.store()
    made = record.bundle(start=0, end=early[2].statement.sent)
    assert [piece.aside for piece in made.pieces].count(True) == 1
    report = audit.audit(made)
    assert (report.problems, report.missing) == ((), ())
    assert sum(chain.dropped for chain in report.chains) == 1
    assert later.statement.seq > max(seqs(made, host, "bulk"))


def test_data_that_is_gone_without_a_reason_is_missed(record: Record) -> None:
    host = record.host()
    first = host.batch()
    record.append_without_data(first)
    record.append(lanes(host, 3))
    record.store()
    report = audit.audit(record.bundle(start=0, end=time.time_ns()))
    assert [(gap.lane, gap.seq) for gap in report.missing] == [("bulk", 1)]


def test_a_retention_entry_comes_along(record: Record) -> None:
    host = record.host()
    record.append_without_data(host.batch())
    index = record.keeper.ledger.size - 1
    gone = Retention(index, index, time.time_ns(), "admin", "old")
    record.keeper.append(EntryType.RETENTION, msgspec.json.encode(gone))
    record.store()
    report = audit.audit(record.bundle(start=0, end=time.time_ns()))
    assert (report.problems, report.missing) == ((), ())
    assert sum(chain.expired for chain in report.chains) == 1


def test_a_host_whose_clock_jumped_ahead_for_a_while_hides_nothing(record: Record) -> None:
    host = record.host()
    now = time.time_ns()
    sent = [now, now + 10**12, now + 1, now + 2, now + 10**9]
    record.append([host.batch(sent=at) for at in sent])
    record.store()
    made = record.bundle(start=now, end=now + 10)
    assert seqs(made, host, "bulk") == [1, 2, 3, 4, 5]
