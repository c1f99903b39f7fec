from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SpoolError
from agent.spool.receipts import Verdict
from agent.spool.witness import KEEP, Witness
from evidence import receipt, tree
from evidence.checkpoint import VerifierKey
from evidence.seal import SealedBatch
from tests.agent.chain import MEMORY, Host, Log
from tests.agent.fake_disk import FakeDisk


def host_with(count: int) -> tuple[Host, list[SealedBatch]]:
    host = Host(FakeDisk())
    return host, [host.append("bulk") for _ in range(count)]


def fresh(host: Host) -> Witness:
    return Witness(MEMORY, host.log.key, host.disk, host.owner.checkpoint)


def test_a_chain_of_receipts_is_accepted_and_remembered() -> None:
    host, batches = host_with(5)
    witness = fresh(host)
    for at, batch in enumerate(batches):
        assert witness.known is not None
        text = host.log.accept(batch, witness.known.checkpoint.size)
        assert witness.judge(text, batch.envelope, "bulk", at).verdict is Verdict.ACCEPTED
    witness.save(10)
    again = fresh(host)
    assert again.known == witness.known
    assert again.last("bulk") == batches[-1].head
    kept = [one for _, one in again.acknowledged()]
    assert [(one.lane, one.seq, one.digest) for one in kept] == [
        ("bulk", batch.statement.seq, batch.digest) for batch in batches
    ]
    assert [one.index for one in kept] == [1, 2, 3, 4, 5]


def test_a_receipt_that_does_not_start_from_the_known_size_is_stale_not_an_alarm() -> None:
    host, (first, second) = host_with(2)
    witness = fresh(host)
    witness.judge(host.log.accept(first, 1), first.envelope, "bulk", 1)
    judged = witness.judge(host.log.accept(second, 1), second.envelope, "bulk", 2)
    assert judged.verdict is Verdict.STALE
    assert witness.alarm is None


def test_a_receipt_of_another_ledger_is_invalid() -> None:
    host, (first,) = host_with(1)
    other = Log("other.example/log")
    judged = fresh(host).judge(other.accept(first, 1), first.envelope, "bulk", 1)
    assert judged.verdict is Verdict.INVALID


def rewritten(host: Host, keep: int) -> Log:
    """The same ledger, its key and all, without its entries from `keep` on."""
    other = Log(host.log.key.name)
    for raw, index in list(host.log.index.items())[:keep]:
        assert other.add(raw) == index
    return other


def test_a_rewritten_log_is_a_fork_both_notes_are_kept_and_deletion_stops() -> None:
    host, batches = host_with(4)
    for batch in batches[:3]:
        host.deliver(batch)
    known = host.outbox.seen
    assert known is not None
    liar = rewritten(host, 2)
    liar.add(b"\x01something else")
    liar.add(b"\x01and more")
    liar.add(b"\x01and more still")
    host.log = liar
    assert host.deliver(batches[3]) == 0
    alarm = host.outbox.alarm
    assert alarm is not None
    assert alarm.verdict == "log_forked"
    assert alarm.known is not None
    assert alarm.known != alarm.shown
    assert [loss.cause for loss in host.outbox.damage()] == ["log_forked"]
    after = host.append("bulk")
    assert [loss.cause for loss in after.statement.loss] == ["log_forked"]
    assert after.statement.seen == known
    assert host.outbox.damage() == ()
    assert host.deliver(after) == 0
    assert host.open().alarm == alarm


def test_a_statement_logged_before_what_it_had_seen_proves_a_shrunken_log() -> None:
    host, batches = host_with(3)
    for batch in batches:
        host.deliver(batch)
    late = host.append("bulk")
    assert late.statement.seen is not None
    host.log = rewritten(host, 2)
    assert host.deliver(late) == 0
    assert host.outbox.alarm is not None
    assert host.outbox.alarm.verdict == "log_shrunk"


@settings(max_examples=60)
@given(st.data())
def test_no_mutation_of_a_receipt_is_accepted_as_another_tree(data: st.DataObject) -> None:
    host, batches = host_with(3)
    witness = fresh(host)
    witness.judge(host.log.accept(batches[0], 1), batches[0].envelope, "bulk", 1)
    text = host.log.accept(batches[1], 2)
    raw = bytearray(text.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 127))
    judged = witness.judge(raw.decode("utf-8", "replace"), batches[1].envelope, "bulk", 2)
    if judged.verdict is Verdict.ACCEPTED:
        assert witness.known is not None
        assert witness.known.checkpoint.root == host.log.tree.root()
        assert judged.index == 2


def test_an_inclusion_proof_for_another_statement_is_invalid() -> None:
    host, (first, second) = host_with(2)
    judged = fresh(host).judge(host.log.accept(first, 1), second.envelope, "bulk", 1)
    assert judged.verdict is Verdict.INVALID


def test_a_memory_signed_by_another_key_is_refused() -> None:
    host, (first,) = host_with(1)
    host.deliver(first)
    with pytest.raises(SpoolError, match="reset-identity"):
        Witness(MEMORY, VerifierKey(host.log.key.name, b"\x01" * 32), host.disk)


def test_checkpoints_older_than_ninety_days_go_and_the_newest_stays() -> None:
    host, batches = host_with(2)
    witness = fresh(host)
    day = 86_400 * 10**9
    start = 10**18
    for at in range(200):
        batch = batches[0]
        known = witness.known
        assert known is not None
        witness.judge(host.log.accept(batch, known.checkpoint.size), batch.envelope, "bulk", start + at * day)
        host.log.add(b"\x01%d" % at * 4000)
        for _ in range(90):
            witness._append(".checkpoints", b"x" * 4096, start + at * day)  # noqa: SLF001 - to fill files
        witness.save(start + at * day)
    times = [time for time, _ in witness.checkpoints()]
    assert times == sorted(times)
    assert times[0] >= start + 200 * day - KEEP - 4 * day
    assert len(times) > 80


def test_a_duplicate_receipt_in_the_same_tree_is_accepted() -> None:
    host, (first,) = host_with(1)
    witness = fresh(host)
    for _ in range(2):
        known = witness.known
        assert known is not None
        text = host.log.accept(first, known.checkpoint.size)
        assert witness.judge(text, first.envelope, "bulk", 1).verdict is Verdict.ACCEPTED
    got = msgspec.json.decode(text, type=receipt.Receipt)
    assert got.duplicate
    assert host.log.tree.root() != tree.EMPTY_ROOT
