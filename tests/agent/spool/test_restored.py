"""A collector was restored from a backup: the host follows, sends again what it has, and says the rest."""

from __future__ import annotations

import msgspec
import pytest

from agent.errors import SpoolError
from agent.spool import restored
from agent.spool.accounts import Accounts
from agent.spool.receipts import Verdict
from agent.spool.witness import Witness
from evidence import entry, host_losses, receipt, successor, tree
from evidence.checkpoint import VerifierKey
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.seal import SealedBatch
from evidence.successor import Record
from tests.agent.chain import MEMORY, Host, Log
from tests.agent.fake_disk import FakeDisk

NEW = "new.example/log"


class RestoredLog(Log):
    """A log that goes on with the first entries of another."""

    def __init__(self, former: Log, backup: Log, name: str = NEW) -> None:
        super().__init__(name)
        for raw in list(backup.index)[1:]:
            self.add(raw)
        self.joins: list[tuple[int, bytes]] = list(getattr(backup, "joins", ()))
        said = Record(str(former.key), backup.note(), str(self.key), 5, "alice")
        raw = entry.encode(EntryType.SUCCESSOR, msgspec.json.encode(said))
        self.joins.append((self.add(raw), raw))

    def accept(self, batch: SealedBatch, known: int) -> str:
        raw = entry.encode(EntryType.BATCH, batch.envelope)
        plain = self.receipt(raw, known)
        size = self.tree.size
        joins = tuple(
            successor.joined(
                item,
                receipt.encode_hashes(tree.inclusion_proof(self.tree, at, size)),
                receipt.encode_hashes(tree.consistency_proof(self.tree, at, size)),
            )
            for at, item in self.joins
        )
        return receipt.to_bytes(msgspec.structs.replace(plain, joins=joins)).decode()


def backup_of(log: Log, name: str | None = None) -> Log:
    """Return a copy of the log as it is now."""
    copy = Log(name or log.key.name)
    for raw in list(log.index)[1:]:
        copy.add(raw)
    return copy


def host_with(count: int) -> tuple[Host, list[SealedBatch]]:
    host = Host(FakeDisk())
    return host, [host.append("bulk") for _ in range(count)]


def fresh(host: Host) -> Witness:
    return Witness(MEMORY, host.log.key, host.disk, host.owner.checkpoint)


def take(witness: Witness, log: Log, batch: SealedBatch, now: int) -> Verdict:
    size = witness.known.checkpoint.size if witness.known else 0
    return witness.judge(
        log.accept(batch, size), batch.envelope, "bulk", now, (0, batch.statement.seq)
    ).verdict


def test_the_host_follows_and_knows_what_is_lost() -> None:
    host, batches = host_with(6)
    witness = fresh(host)
    for at, batch in enumerate(batches[:2]):
        assert take(witness, host.log, batch, at) is Verdict.ACCEPTED
    backup = backup_of(host.log)
    for at, batch in enumerate(batches[2:4], 2):
        assert take(witness, host.log, batch, at) is Verdict.ACCEPTED
    before = witness.known
    log = RestoredLog(host.log, backup)
    assert take(witness, log, batches[4], 4) is Verdict.ACCEPTED
    assert witness.alarm is None
    assert witness.key == log.key
    (one,) = witness.restored
    assert before is not None
    assert (one.note, one.size, one.former) == (before.note, 3, str(host.log.key))
    assert take(witness, log, batches[5], 4) is Verdict.ACCEPTED
    witness.save(5)
    again = fresh(host)
    assert again.key == log.key
    lost = [item.seq for time, item in again.acknowledged() if again.lost_with(time, item)]
    assert lost == [3, 4]
    assert take(again, log, batches[2], 6) is Verdict.ACCEPTED
    assert take(again, host.log, batches[3], 7) is Verdict.INVALID, "the former log is no more the log"


def test_a_restore_that_kept_all_is_followed_with_a_proof() -> None:
    host, batches = host_with(3)
    witness = fresh(host)
    assert take(witness, host.log, batches[0], 0) is Verdict.ACCEPTED
    log = RestoredLog(host.log, backup_of(host.log))
    stale = witness.judge(log.accept(batches[1], 1), batches[1].envelope, "bulk", 1)
    assert stale.verdict is Verdict.STALE
    assert take(witness, log, batches[1], 2) is Verdict.ACCEPTED
    assert witness.restored[0].size == 2


def test_a_second_restore_of_the_first_backup_is_followed_too() -> None:
    host, batches = host_with(4)
    witness = fresh(host)
    assert take(witness, host.log, batches[0], 0) is Verdict.ACCEPTED
    backup = backup_of(host.log)
    first, second = RestoredLog(host.log, backup), RestoredLog(host.log, backup, "third.example/log")
    assert take(witness, first, batches[1], 1) is Verdict.ACCEPTED
    assert take(witness, second, batches[2], 2) is Verdict.ACCEPTED
    assert [one.key for one in witness.restored] == [str(first.key), str(second.key)]
    assert take(witness, second, batches[3], 3) is Verdict.ACCEPTED


def test_a_stranger_with_another_key_is_not_followed() -> None:
    host, batches = host_with(2)
    witness = fresh(host)
    assert take(witness, host.log, batches[0], 0) is Verdict.ACCEPTED
    log = RestoredLog(host.log, backup_of(host.log))
    log.signer = PrivateKey(b"e" * 32)
    log.key = VerifierKey(NEW, log.signer.public)
    assert take(witness, log, batches[1], 1) is Verdict.INVALID
    assert witness.restored == ()


def test_a_memory_that_leads_to_another_key_is_refused() -> None:
    host, batches = host_with(2)
    witness = fresh(host)
    assert take(witness, host.log, batches[0], 0) is Verdict.ACCEPTED
    assert take(witness, RestoredLog(host.log, backup_of(host.log)), batches[1], 1) is Verdict.ACCEPTED
    witness.save(2)
    with pytest.raises(SpoolError, match="not the pinned"):
        Witness(MEMORY, VerifierKey(host.log.key.name, b"x" * 32), host.disk, None)


def test_the_spool_sends_again_what_it_has_and_owes_a_word_once() -> None:
    host, batches = host_with(4)
    backup = backup_of(host.log)
    for batch in batches[:3]:
        assert host.deliver(batch) == 1
    assert host.outbox.waiting == 1
    log = RestoredLog(host.log, backup)
    host.hand(batches[3], log.accept(batches[3], 0))
    assert host.outbox.take_receipts(host.number) == 1
    assert host.outbox.waiting == 3, "what the restored ledger lacks waits again"
    (loss,) = [each for each in host.outbox.damage() if each.cause == host_losses.RESTORED]
    assert loss.counts == {"seen": 4, "kept": 1}
    host.open()
    assert host.outbox.waiting == 3
    assert [each.cause for each in host.outbox.damage()] == [host_losses.RESTORED]


def test_what_is_gone_is_named_by_lane_and_number() -> None:
    host, batches = host_with(4)
    witness = fresh(host)
    backup = backup_of(host.log)
    for at, batch in enumerate(batches[:3]):
        assert take(witness, host.log, batch, at) is Verdict.ACCEPTED
    assert take(witness, RestoredLog(host.log, backup), batches[3], 3) is Verdict.ACCEPTED
    witness.save(4)
    empty = Host(FakeDisk()).outbox._shelf  # noqa: SLF001 - a shelf on which nothing is left
    account = restored.account_for(witness, empty, Accounts())
    assert [each.cause for each in account.owed_losses] == ["log_restored bulk 1-3", "log_restored"]
    named = host_losses.lost_by_restore(account.owed_losses[0])
    assert named is not None
    assert (named.lane, named.first, named.last) == ("bulk", 1, 3)
    assert restored.account_for(witness, empty, account) is account
