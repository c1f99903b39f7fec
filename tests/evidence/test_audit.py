"""Bundles verify offline; every way of rewriting the record is found, its administrator the suspect."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import bundle, entry, host_receipts
from evidence.checkpoint import VerifierKey
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.errors import BadBundle, CodecError
from evidence.host_receipts import Acknowledged
from evidence.keys import PrivateKey
from evidence.statement import Head
from tests.evidence.sealing import AGENT, NOW
from tests.evidence.world import ORIGIN, SECOND, Log, World, enrolment, host_batch


def test_an_honest_bundle_verifies() -> None:
    world = World()
    report = world.report(trusted=True)
    assert (report.status, report.problems, report.missing) == ("verified", (), ())
    (chain,) = report.chains
    assert (chain.first, chain.last, chain.events, chain.with_data) == (1, 4, 8, 4)
    assert report.anchored == (AGENT,)


def test_what_came_after_the_bundle_was_made_is_not_missing() -> None:
    world = World()
    world.receipts.append(Acknowledged(NOW + 4 * SECOND, "bulk", 5, "5" * 64, 5, 6))
    assert world.report(trusted=True, end=NOW + 4 * SECOND).status == "verified"


def test_without_receipts_it_is_not_anchored() -> None:
    assert World().report(trusted=False).status == "consistent, not anchored"


def without(world: World, position: int) -> Log:
    """Return the ledger as its administrator rebuilds it, with every key, without one batch."""
    forged = Log()
    for index, item in enumerate(world.log.entries):
        if index != position and index:
            forged.entries.append(item)
            forged.data[len(forged.entries) - 1] = world.log.data[index]
    return forged


@pytest.mark.parametrize("position", [1, 2, 3, 4])
def test_a_deleted_batch_is_named(position: int) -> None:
    world = World()
    world.log = without(world, position)
    report = world.report(trusted=True)
    assert report.status == "broken"
    assert [(gap.agent, gap.lane, gap.seq) for gap in report.missing] == [(AGENT, "bulk", position)]


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_deletion_contradicts_later_statements_without_receipts(position: int) -> None:
    world = World()
    world.log = without(world, position)
    assert world.report(trusted=False).status == "broken"


def test_a_swapped_order_is_found() -> None:
    world = World()
    entries = world.log.entries
    entries[2], entries[3] = entries[3], entries[2]
    world.log.data[2], world.log.data[3] = world.log.data[3], world.log.data[2]
    report = world.report(trusted=True)
    assert any("was entry" in text for text in report.problems)


def test_a_key_put_in_by_the_administrator_is_found() -> None:
    world = World()
    other = PrivateKey(b"evil" * 8)
    forged = Log(enrolment(key=other))
    head = Head(0, entry.digest(forged.entries[0]))
    for _ in range(4):
        sealed = host_batch(head, key=other, other=Head(0, entry.digest(forged.entries[0])))
        head = sealed.head
        forged.append(sealed)
    world.log = forged
    problems = world.report(trusted=True).problems
    assert any("another signing key" in text for text in problems)
    assert any("not the statement its host has a receipt for" in text for text in problems)


def test_a_host_of_another_ledger_anchors_nothing() -> None:
    world = World()
    host = msgspec.structs.replace(
        world.host.host, ledger_key=str(VerifierKey("x", PrivateKey(b"othe" * 8).public))
    )
    world.host = msgspec.structs.replace(world.host, host=host)
    assert world.report(trusted=True).status == "broken"


def test_what_a_revoked_agent_said_later_does_not_count() -> None:
    world = World()
    revocation = RevocationRecord(AGENT, None, NOW, "admin", "stolen")
    world.log.record(EntryType.REVOCATION, revocation)
    world.send()
    assert any("revoked" in text for text in world.report(trusted=False).problems)


def test_two_statements_of_one_place_are_named() -> None:
    world = World()
    world.log.append(host_batch(ORIGIN, time=NOW + 77), EntryType.EQUIVOCATION)
    assert any("two statements" in text for text in world.report(trusted=False).problems)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_flipped_bit_breaks_the_bundle(data: st.DataObject) -> None:
    world = World()
    raw = bytearray(world.log.bundle(world.sizes))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    name = bundle.read(world.log.bundle(world.sizes)).name
    try:
        opened = bundle.read(bytes(raw))
    except BadBundle:
        return
    assert opened.name != name


@pytest.mark.parametrize(
    "raw", [b"", b"vedette-bundle-v1\n", b"vedette-bundle-v1\n{}\n", b"vedette-bundle-v1\n[1\n"]
)
def test_other_files_are_no_bundle(raw: bytes) -> None:
    with pytest.raises(BadBundle):
        bundle.read(raw)


@given(st.integers(1, 4000))
@settings(max_examples=40, deadline=None)
def test_a_cut_or_lengthened_bundle_is_refused(cut: int) -> None:
    raw = World().log.bundle({1, 2, 3, 4})
    with pytest.raises(BadBundle):
        bundle.read(raw[: -(cut % len(raw)) or -1])
    with pytest.raises(BadBundle):
        bundle.read(raw + b"x")


def test_receipts_survive_as_a_file() -> None:
    host = World().host
    raw = host_receipts.encode([host.host, *host.notes, *host.receipts])
    assert host_receipts.decode(raw) == [host]
    assert hashlib.sha256(raw).digest()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"type":"checkpoint","time":1,"note":""}', "before the first host"),
        (b'{"type":"guest"}', "line 1"),
        (b"nonsense", "line 1"),
        (b"x" * 40_000, "at most"),
    ],
)
def test_a_bad_line_of_receipts_is_named(raw: bytes, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        host_receipts.decode(raw)
