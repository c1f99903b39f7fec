"""A log that goes on from another: what a host follows, and what an auditor lets a join explain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from evidence import audit, bundle, checkpoint, entry, successor, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType
from evidence.errors import CodecError, EvidenceError
from evidence.join_rules import merged, split
from evidence.keys import PrivateKey
from evidence.receipt import Receipt, encode_hashes
from evidence.report import Missing, Report
from evidence.successor import Record
from tests.evidence.sealing import NOW
from tests.evidence.world import LEDGER, LOG, World

KEY = PrivateKey(b"log!" * 8)
RENAMED = VerifierKey("vedette.example/log/restored", LOG.public)
OLD, NEW = VerifierKey("old/log", KEY.public), VerifierKey("new/log", KEY.public)
ENTRIES = [b"\x02one", b"\x02two", b"\x02three"]


def note(name: str, leaves: list[bytes], key: PrivateKey = KEY) -> str:
    grown = tree.Tree([tree.leaf_hash(each) for each in leaves])
    return checkpoint.sign(Checkpoint(name, grown.size, grown.root()), key).decode()


def record(**changes: str) -> Record:
    made = Record(str(OLD), note(OLD.name, ENTRIES), str(NEW), 5, "alice", "why")
    return msgspec.structs.replace(made, **changes)


def receipt(said: Record, name: str = NEW.name, first: list[bytes] | None = None) -> Receipt:
    """Return a receipt of the log that goes on with said, and holds one entry more."""
    raw = entry.encode(EntryType.SUCCESSOR, msgspec.json.encode(said))
    leaves = [*(first or ENTRIES), raw, b"\x02four"]
    grown = tree.Tree([tree.leaf_hash(each) for each in leaves])
    inclusion = encode_hashes(tree.inclusion_proof(grown, 3, 5))
    joined = successor.joined(raw, inclusion, encode_hashes(tree.consistency_proof(grown, 3, 5)))
    own = encode_hashes(tree.inclusion_proof(grown, 4, 5))
    return Receipt(4, note(name, leaves), own, joins=(joined,))


def test_a_host_follows_what_the_same_key_signed() -> None:
    (step,) = successor.follow(receipt(record()), OLD)
    assert (step.index, step.key, step.record.reason) == (3, NEW, "why")
    assert successor.follow(receipt(record()), NEW) == ()


@pytest.mark.parametrize(
    "said",
    [
        record(former=str(VerifierKey("other/log", KEY.public))),
        record(ledger_key=str(VerifierKey("third/log", KEY.public))),
        record(ledger_key=str(VerifierKey("new/log", PrivateKey(b"evil" * 8).public))),
        record(ledger_key=str(OLD)),
        record(checkpoint=note(OLD.name, ENTRIES[:2])),
        record(checkpoint=note(OLD.name, [*ENTRIES[:2], b"\x02else"])),
        record(checkpoint=note(OLD.name, ENTRIES, PrivateKey(b"evil" * 8))),
    ],
)
def test_a_join_that_does_not_hold_is_not_followed(said: Record) -> None:
    with pytest.raises(EvidenceError):
        successor.follow(receipt(said), OLD)


def test_another_first_part_or_no_join_is_not_followed() -> None:
    with pytest.raises(EvidenceError):
        successor.follow(receipt(record(), first=[*ENTRIES[:2], b"\x02else"]), OLD)
    with pytest.raises(EvidenceError):
        successor.follow(msgspec.structs.replace(receipt(record()), joins=()), OLD)
    with pytest.raises(EvidenceError):
        successor.follow(receipt(record()), VerifierKey("old/log", PrivateKey(b"evil" * 8).public))


def test_a_successor_stands_where_the_former_log_ended() -> None:
    payload = msgspec.json.encode(record())
    assert successor.join(payload, 3).index == 3
    with pytest.raises(CodecError, match="entry 4"):
        successor.join(payload, 4)


def test_a_restore_explains_only_what_hosts_name() -> None:
    gaps = [Missing("a", 1, "bulk", 3, 9, "hole"), Missing("b", 1, "bulk", 1, 2, "hole")]
    missing, lost = split(gaps, {("a", 1, "bulk"): [(4, 5), (5, 7)], ("a", 1, "priority"): [(1, 9)]})
    assert [(gap.agent, gap.seq, gap.last) for gap in missing] == [("a", 3, 3), ("a", 8, 9), ("b", 1, 2)]
    assert [(gap.seq, gap.last) for gap in merged(lost)] == [(4, 7)]


class RestoredWorld(World):
    """A world whose collector was restored with the first two statements; the fourth was sent again."""

    def __init__(self, said: Record | None = None) -> None:
        super().__init__()
        lost, data = self.log.entries, self.log.data
        self.log.entries, self.log.data = lost[:3], {at: data[at] for at in (1, 2)}
        self.sizes.add(3)
        made = Record(str(LEDGER), self.log.note(), str(RENAMED), NOW, "admin", "disk")
        self.log.record(EntryType.SUCCESSOR, said or made)
        self.log.entries.append(lost[4])
        self.log.data[4] = data[4]

    def report(self, *, trusted: bool, **how: Any) -> Report:
        made = bundle.read(self.log.bundle(self.sizes, **how))
        grown = self.log.grown
        head = checkpoint.sign(Checkpoint(RENAMED.name, grown.size, grown.root()), LOG).decode()
        manifest = made.manifest
        raw = bundle.build(str(RENAMED), head, manifest.subject, made.pieces, manifest.anchors)
        host = msgspec.structs.replace(self.host, receipts=tuple(self.receipts))
        return audit.audit(bundle.read(raw), (host,) if trusted else ())


def test_what_a_host_has_receipts_for_is_lost_and_not_hidden() -> None:
    report = RestoredWorld().report(trusted=True)
    assert (report.status, report.problems, report.missing) == ("verified", (), ())
    assert [(gap.lane, gap.seq, gap.last) for gap in report.lost] == [("bulk", 3, 3)]
    (one,) = report.restored
    assert (one.former, one.kept, one.seen, one.reason) == (str(LEDGER), 3, 5, "disk")


def test_without_a_hosts_word_a_hole_stays_a_hole() -> None:
    report = RestoredWorld().report(trusted=False)
    assert (report.status, report.lost) == ("incomplete", ())
    assert [(gap.seq, gap.last) for gap in report.missing] == [(3, 3)]


def test_a_statement_from_before_the_join_may_not_be_left_out() -> None:
    report = RestoredWorld().report(trusted=True, without=frozenset({2}))
    assert report.status == "broken"
    assert [(gap.seq, gap.last) for gap in report.missing] == [(2, 2)]
    assert any("entry 2" in problem for problem in report.problems)


@pytest.mark.parametrize(
    "changes",
    [{"ledger_key": str(VerifierKey("third/log", LOG.public))}, {"former": str(RENAMED)}],
)
def test_a_join_that_leads_elsewhere_is_found(changes: dict[str, str]) -> None:
    good = msgspec.json.decode(RestoredWorld().log.entries[3][1:], type=Record)
    report = RestoredWorld(msgspec.structs.replace(good, **changes)).report(trusted=True)
    assert report.status == "broken"


def test_entries_before_the_join_that_were_changed_are_found() -> None:
    world = RestoredWorld()
    world.log.entries[2], world.log.data[2] = world.log.entries[4], world.log.data[4]
    assert world.report(trusted=True).status == "broken"
