"""Bundles verify offline; every way of rewriting the record is found, its administrator the suspect."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import audit, bundle, checkpoint, dsse, entry, host_receipts, tree
from evidence.bundle import Anchor, Piece, Subject
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.enrolment import PROOF_TYPE, Facts, Proof, Record, RevocationRecord
from evidence.entry import EntryType
from evidence.errors import BadBundle, CodecError
from evidence.host_receipts import Acknowledged, Host, HostReceipts, Note
from evidence.keys import PrivateKey
from evidence.receipt import encode_hashes
from evidence.seal import SealedBatch
from evidence.statement import Head, Seen
from tests.evidence.sealing import AGENT, KEY, NOW, batch

LOG = PrivateKey(b"log!" * 8)
LEDGER = VerifierKey("vedette.example/log", LOG.public)
SECOND = 10**9


def enrolment() -> bytes:
    proof = Proof("n", "t", "0" * 64, KEY.public.hex(), Facts("m", "b", "web1"))
    envelope = dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, KEY)
    record = Record(AGENT, 1, NOW, KEY.public.hex(), envelope.decode(), "t", "0" * 64)
    return entry.encode(EntryType.ENROLMENT, msgspec.json.encode(record))


class Log:
    """A ledger in memory, whose administrator can do everything that its key allows."""

    def __init__(self) -> None:
        self.entries: list[bytes] = [enrolment()]
        self.data: dict[int, bytes] = {}

    @property
    def grown(self) -> tree.Tree:
        return tree.Tree([tree.leaf_hash(item) for item in self.entries])

    def note(self) -> str:
        grown = self.grown
        return checkpoint.sign(Checkpoint(LEDGER.name, grown.size, grown.root()), LOG).decode()

    def seen(self) -> Seen:
        grown = self.grown
        return Seen(grown.size, grown.root().hex())

    def append(self, sealed: SealedBatch) -> int:
        self.entries.append(entry.encode(EntryType.BATCH, sealed.envelope))
        self.data[len(self.entries) - 1] = sealed.data
        return len(self.entries) - 1

    def bundle(self, seen_sizes: set[int], end: int = NOW + 3600 * SECOND) -> bytes:
        grown = self.grown
        pieces = [
            Piece(
                index,
                item,
                encode_hashes(tree.inclusion_proof(grown, index, grown.size)),
                self.data.get(index),
            )
            for index, item in enumerate(self.entries)
        ]
        anchors = [
            Anchor(size, encode_hashes(tree.consistency_proof(grown, size, grown.size)))
            for size in sorted(seen_sizes)
            if size <= grown.size
        ]
        subject = Subject((AGENT,), NOW - SECOND, end, len(self.entries))
        return bundle.build(str(LEDGER), self.note(), subject, pieces, anchors)


class World:
    """A host that sealed four batches, each quoting the log as its host knew it, and its receipts."""

    def __init__(self) -> None:
        self.log = Log()
        self.sizes: set[int] = set()
        self.receipts: list[Acknowledged] = []
        head = Head(0, "0" * 64)
        for number in range(4):
            seen = self.log.seen()
            self.sizes.add(seen.size)
            sealed = batch(head, seen=seen, time=NOW + number * SECOND)
            head = sealed.head
            index = self.log.append(sealed)
            self.receipts.append(
                Acknowledged(NOW + number * SECOND, "bulk", head.seq, head.hash, index, index + 1)
            )
        host = Host(AGENT, 1, KEY.public.hex(), str(LEDGER), NOW)
        self.host = HostReceipts(host, (Note(NOW, self.log.note()),), tuple(self.receipts))

    def report(self, *, trusted: bool) -> audit.Report:
        raw = self.log.bundle(self.sizes)
        return audit.audit(bundle.read(raw), (self.host,) if trusted else ())


def test_an_honest_bundle_verifies() -> None:
    world = World()
    report = world.report(trusted=True)
    assert (report.status, report.problems, report.missing) == ("verified", (), ())
    (chain,) = report.chains
    assert (chain.first, chain.last, chain.events, chain.with_data) == (1, 4, 8, 4)
    assert report.anchored == (AGENT,)


def test_what_came_after_the_bundle_was_made_is_not_missing() -> None:
    world = World()
    raw = world.log.bundle(world.sizes, end=NOW + 4 * SECOND)
    later = Acknowledged(NOW + 4 * SECOND, "bulk", 5, "5" * 64, 5, 6)
    host = msgspec.structs.replace(world.host, receipts=(*world.host.receipts, later))
    assert audit.audit(bundle.read(raw), (host,)).status == "verified"


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
    forged = Log()
    proof = Proof("n", "t", "0" * 64, other.public.hex(), Facts("m", "b", "web1"))
    envelope = dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, other)
    record = Record(AGENT, 1, NOW, other.public.hex(), envelope.decode(), "t", "0" * 64)
    forged.entries[0] = entry.encode(EntryType.ENROLMENT, msgspec.json.encode(record))
    head = Head(0, "0" * 64)
    for _ in range(4):
        sealed = batch(head, key=other)
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
    world.log.entries.append(entry.encode(EntryType.REVOCATION, msgspec.json.encode(revocation)))
    world.log.append(batch(Head(4, world.receipts[-1].digest)))
    assert any("revoked" in text for text in world.report(trusted=False).problems)


def test_two_statements_of_one_place_are_named() -> None:
    world = World()
    twin = batch(Head(0, "0" * 64), time=NOW + 77)
    world.log.entries.append(entry.encode(EntryType.EQUIVOCATION, twin.envelope))
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
