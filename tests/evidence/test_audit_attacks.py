"""Ways in which a collector's administrator, with all its keys, would hide a batch; each is found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from evidence import audit, bundle, entry
from evidence.decision import Retention, Setting
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.errors import BadBundle
from evidence.host_receipts import Acknowledged, Note
from evidence.seal import SealedBatch
from evidence.statement import Dropped, Head
from tests.evidence.sealing import AGENT, NOW, batch
from tests.evidence.world import (
    COLLECTOR,
    ORIGIN,
    OWN,
    SECOND,
    Log,
    World,
    enrolment,
    host_batch,
)

HOUR = 3600 * SECOND
END = NOW + 10 * SECOND


def found(world: World, text: str, *, trusted: bool = False) -> bool:
    """Tell whether the audit finds the bundle broken for a reason with this text in it."""
    report = world.report(trusted=trusted)
    return report.status == "broken" and any(text in problem for problem in report.problems)


def missing(world: World, **how: object) -> list[tuple[int, int]]:
    return [(gap.seq, gap.last) for gap in world.report(trusted=True, **how).missing]


def test_stripped_data_is_missed() -> None:
    world = World()
    del world.log.data[2]
    report = world.report(trusted=True)
    assert report.status == "incomplete"
    assert [(gap.seq, "data is not here" in gap.why) for gap in report.missing] == [(2, True)]
    assert report.chains[0].with_data == 3


def test_an_empty_blob_is_no_data() -> None:
    world = World()
    world.log.data[2] = b""
    assert found(world, "entry 2: data: 0 bytes")


def test_data_that_its_host_gave_up_is_not_missed() -> None:
    world = World()
    del world.log.data[2]
    aside = world.send(dropped=(Dropped("bulk", 2, 2, "spool_full"),))
    report = world.report(trusted=True)
    assert (report.status, report.chains[0].dropped) == ("verified", 1)
    world.log.asides = {aside}
    assert world.report(trusted=False).chains[0].dropped == 1
    assert world.report(trusted=False).chains[0].last == 4


def test_a_host_gives_up_its_own_data_alone() -> None:
    world = World()
    other = "ef" * 16
    del world.log.data[2]
    world.log.entries.append(enrolment(other, OWN))
    origin = Head(0, entry.digest(world.log.entries[-1]))
    said = (Dropped("bulk", 2, 2, "spool_full"),)
    world.log.append(batch(origin, other=origin, key=OWN, agent=other, dropped=said))
    assert [gap.agent for gap in world.report(trusted=True).missing] == [AGENT]


def test_data_under_a_retention_entry_is_counted_as_expired() -> None:
    world = World()
    del world.log.data[2]
    world.log.record(EntryType.RETENTION, Retention(1, 2, NOW, "admin", "old"))
    report = world.report(trusted=True)
    assert (report.status, report.chains[0].expired, report.chains[0].with_data) == ("verified", 1, 3)


def test_retention_cannot_delete_what_is_yet_to_come() -> None:
    world = World()
    world.log.record(EntryType.RETENTION, Retention(1, 999, NOW, "admin", "old"))
    index = world.send()
    del world.log.data[index]
    assert world.report(trusted=True).status == "incomplete"


def test_a_tail_that_was_acknowledged_late_is_missed() -> None:
    world = World()
    index = world.send()
    world.receipts[-1] = msgspec.structs.replace(world.receipts[-1], time=NOW + HOUR)
    assert missing(world, end=END) == []
    assert missing(world, end=END, without=frozenset({index})) == [(5, 5)]


def test_a_chain_may_end_with_a_statement_after_the_interval() -> None:
    world = World()
    world.send(at=END + SECOND)
    index = world.send(at=END + 2 * SECOND)
    assert missing(world, end=END, without=frozenset({index})) == []


def test_a_lane_left_out_as_a_whole_is_missed() -> None:
    world = World()
    priority = host_batch(ORIGIN, "priority")
    index = world.log.append(priority)
    receipt = Acknowledged(NOW - HOUR, "priority", 1, priority.digest, index, index + 1)
    world.receipts.append(receipt)
    assert missing(world) == []
    assert missing(world, without=frozenset({index})) == [(1, 1)]


def test_a_host_left_out_as_a_whole_is_missed() -> None:
    world = World()
    hidden = frozenset(range(len(world.log.entries)))
    world.log.agents = ()
    assert [seq for seq, _ in missing(world, without=hidden)] == [1, 2, 3, 4]
    world.log.agents = (AGENT,)
    report = world.report(trusted=False, without=hidden)
    assert any("holds nothing of it" in text for text in report.problems)


def test_a_host_that_the_bundle_is_not_about_is_not_missed() -> None:
    world = World()
    other = "ef" * 16
    world.log.entries.append(enrolment(other, OWN))
    origin = Head(0, entry.digest(world.log.entries[-1]))
    world.log.append(batch(origin, other=origin, key=OWN, agent=other))
    world.log.agents = (other,)
    report = world.report(trusted=True, without=frozenset({0, 1, 2, 3, 4}))
    assert (report.missing, report.problems) == ((), ())
    assert (report.status, report.unanchored) == ("consistent, not anchored", (other,))


def test_one_host_does_not_vouch_for_another() -> None:
    world = World()
    other = "ef" * 16
    world.log.entries.append(enrolment(other, OWN))
    origin = Head(0, entry.digest(world.log.entries[-1]))
    world.log.append(batch(origin, other=origin, key=OWN, agent=other))
    report = world.report(trusted=True)
    assert (report.status, report.anchored, report.unanchored) == (
        "consistent, not anchored",
        (AGENT,),
        (other,),
    )


def test_a_host_vouches_for_no_time_after_its_export() -> None:
    world = World()
    world.host = msgspec.structs.replace(
        world.host, host=msgspec.structs.replace(world.host.host, exported=NOW)
    )
    assert world.report(trusted=True).status == "consistent, not anchored"
    assert world.report(trusted=True, end=NOW).status == "verified"


def test_a_host_without_a_receipt_vouches_for_nothing() -> None:
    world = World()
    world.receipts = []
    assert world.report(trusted=True).status == "consistent, not anchored"


def second_enrolment(log: Log) -> None:
    log.entries.append(enrolment(key=OWN))


def other_labels(log: Log) -> None:
    log.entries[0] = enrolment(labels={"owner": "somebody else"})


def another_token(log: Log) -> None:
    log.entries[0] = enrolment(token="admin")


def the_same_batch_again(log: Log) -> None:
    log.entries.append(log.entries[2])
    log.data[len(log.entries) - 1] = log.data[2]


def a_fork_as_a_batch(log: Log) -> None:
    log.append(host_batch(ORIGIN, time=NOW + 77))


def a_batch_as_an_act(log: Log) -> None:
    log.entries[4] = bytes([EntryType.ACT]) + log.entries[4][1:]


def an_honest_batch_called_a_fork(log: Log) -> None:
    log.entries.append(bytes([EntryType.EQUIVOCATION]) + log.entries[4][1:])
    log.data[len(log.entries) - 1] = log.data[4]


def a_fork_of_nothing(log: Log) -> None:
    log.append(host_batch(Head(8, "0" * 64)), EntryType.EQUIVOCATION)


def an_unreadable_revocation(log: Log) -> None:
    log.entries.append(bytes([EntryType.REVOCATION]) + b"{}")


def an_unknown_type(log: Log) -> None:
    log.entries.append(b"\x63{}")


def another_lane(log: Log) -> None:
    log.append(host_batch(ORIGIN, "priority"))
    quoting = host_batch(ORIGIN, "priority").head
    log.append(host_batch(Head(4, "0" * 64), other=msgspec.structs.replace(quoting, hash="1" * 64)))


@pytest.mark.parametrize(
    ("forge", "text"),
    [
        (second_enrolment, "enrolled a second time"),
        (other_labels, "quotes another enrolment"),
        (another_token, "another key or token"),
        (the_same_batch_again, "is here twice"),
        (a_fork_as_a_batch, "two statements were signed"),
        (a_batch_as_an_act, "no collector"),
        (an_honest_batch_called_a_fork, "it is the first"),
        (a_fork_of_nothing, "the first is not here"),
        (an_unreadable_revocation, "revocation entry"),
        (an_unknown_type, "type byte"),
        (another_lane, "quotes another priority 1"),
    ],
)
def test_a_forged_entry_is_named(forge: Callable[[Log], None], text: str) -> None:
    world = World()
    forge(world.log)
    assert found(world, text)


def test_a_batch_cannot_stand_before_what_its_host_had_seen() -> None:
    world = World()
    seen = world.log.seen()
    log = Log()
    log.append(host_batch(ORIGIN, seen=seen))
    world.log = log
    assert found(world, "yet its host saw 5 entries before")


def test_settings_and_the_collectors_acts_are_no_contradiction() -> None:
    world = World()
    world.log.record(EntryType.SETTING, Setting("contested", "off", NOW, "admin", "clone", AGENT))
    world.log.entries.append(enrolment(COLLECTOR, OWN, "setup"))
    own = Head(0, entry.digest(world.log.entries[-1]))
    act: SealedBatch = batch(own, "priority", other=own, key=OWN, agent=COLLECTOR)
    world.log.append(act, EntryType.ACT)
    report = world.report(trusted=True)
    assert (report.status, report.problems, report.unanchored) == ("verified", (), ())


def test_a_revoked_epoch_revokes_no_other() -> None:
    world = World()
    world.log.record(EntryType.REVOCATION, RevocationRecord(AGENT, 2, NOW, "admin", "rotated"))
    world.send()
    assert world.report(trusted=True).status == "verified"


def test_what_a_host_holds_against_the_ledger_is_told() -> None:
    world = World()
    alarmed = msgspec.structs.replace(world.host.host, alarm="log_shrunk")
    world.host = msgspec.structs.replace(world.host, host=alarmed)
    assert found(world, "holds against the ledger: log_shrunk", trusted=True)


def test_a_checkpoint_of_another_size_is_held_against_the_log() -> None:
    world = World()
    other = Log(enrolment(labels={"x": "y"}))
    other.entries += world.log.entries[1:3]
    assert len(other.entries) in world.sizes
    world.host = msgspec.structs.replace(world.host, notes=(Note(NOW, other.note()),))
    assert found(world, "holds another signed log", trusted=True)


@pytest.mark.parametrize("field", ["entry", "heads"])
def test_enrolment_and_newest_statement_are_held_against_the_host(field: str) -> None:
    world = World()
    wrong = {"entry": "1" * 64} if field == "entry" else {"heads": {"bulk": Head(4, "1" * 64)}}
    changed = msgspec.structs.replace(world.host.host, **wrong)
    world.host = msgspec.structs.replace(world.host, host=changed)
    text = "another enrolment than its host" if field == "entry" else "as its newest"
    assert found(world, text, trusted=True)


def test_a_vast_gap_is_one_line() -> None:
    world = World()
    world.log.append(host_batch(Head(1 << 60, "0" * 64)))
    report = world.report(trusted=True)
    assert [(gap.seq, gap.last) for gap in report.missing] == [(5, 1 << 60)]


def test_the_report_says_what_it_is_about() -> None:
    world = World()
    subject = world.report(trusted=True, end=END).subject
    assert subject is not None
    assert (subject.agents, subject.begin, subject.end) == ((AGENT,), NOW - SECOND, END)


def test_an_entry_cannot_be_listed_twice() -> None:
    world = World()
    opened = bundle.read(world.log.bundle(world.sizes))
    manifest, pieces = opened.manifest, opened.pieces
    raw = bundle.build(
        manifest.ledger_key, manifest.checkpoint, manifest.subject, [*pieces, pieces[-1]], manifest.anchors
    )
    with pytest.raises(BadBundle, match="each once"):
        audit.audit(bundle.read(raw))
