"""A ledger in memory whose administrator is the enemy, and a host that keeps its receipts."""

from __future__ import annotations

from typing import Any

import msgspec

from evidence import audit, bundle, checkpoint, dsse, entry, tree
from evidence.bundle import Anchor, Piece, Subject
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.enrolment import PROOF_TYPE, Facts, Proof, Record
from evidence.entry import EntryType
from evidence.host_receipts import Acknowledged, Host, HostReceipts, Note
from evidence.keys import PrivateKey
from evidence.kind import Lane
from evidence.receipt import encode_hashes
from evidence.report import Report
from evidence.seal import SealedBatch
from evidence.statement import Head, Seen
from tests.evidence.sealing import AGENT, KEY, NOW, batch

LOG = PrivateKey(b"log!" * 8)
LEDGER = VerifierKey("vedette.example/log", LOG.public)
OWN = PrivateKey(b"self" * 8)
COLLECTOR = "cc" * 16
SECOND = 10**9


def enrolment(agent: str = AGENT, key: PrivateKey = KEY, spent: str = "t", **changes: Any) -> bytes:
    proof = Proof("n", spent, "0" * 64, key.public.hex(), Facts("m", "b", "web1"))
    envelope = dsse.encode(msgspec.json.encode(proof), PROOF_TYPE, key)
    record = Record(agent, 1, NOW, key.public.hex(), envelope.decode(), spent, "0" * 64)
    changed = msgspec.structs.replace(record, **changes)
    return entry.encode(EntryType.ENROLMENT, msgspec.json.encode(changed))


ORIGIN = Head(0, entry.digest(enrolment()))


def host_batch(previous: Head, lane: Lane = "bulk", **more: Any) -> SealedBatch:
    """Seal the next batch of the host as its enrolment began it."""
    return batch(previous, lane, **{"other": ORIGIN, **more})


class Log:
    """A ledger in memory, whose administrator can do everything that its key allows."""

    def __init__(self, first: bytes | None = None) -> None:
        self.entries: list[bytes] = [first or enrolment()]
        self.data: dict[int, bytes] = {}
        self.asides: set[int] = set()
        self.agents: tuple[str, ...] = (AGENT,)

    @property
    def grown(self) -> tree.Tree:
        return tree.Tree([tree.leaf_hash(item) for item in self.entries])

    def note(self) -> str:
        grown = self.grown
        return checkpoint.sign(Checkpoint(LEDGER.name, grown.size, grown.root()), LOG).decode()

    def seen(self) -> Seen:
        grown = self.grown
        return Seen(grown.size, grown.root().hex())

    def append(self, sealed: SealedBatch, kind: EntryType = EntryType.BATCH) -> int:
        self.entries.append(entry.encode(kind, sealed.envelope))
        self.data[len(self.entries) - 1] = sealed.data
        return len(self.entries) - 1

    def record(self, kind: EntryType, record: msgspec.Struct) -> int:
        self.entries.append(entry.encode(kind, msgspec.json.encode(record)))
        return len(self.entries) - 1

    def bundle(
        self, seen_sizes: set[int], end: int = NOW + 3600 * SECOND, without: frozenset[int] = frozenset()
    ) -> bytes:
        """Return a bundle of every entry but some, all of them under one checkpoint."""
        grown = self.grown
        pieces = [
            Piece(
                index,
                item,
                encode_hashes(tree.inclusion_proof(grown, index, grown.size)),
                self.data.get(index),
                aside=index in self.asides,
            )
            for index, item in enumerate(self.entries)
            if index not in without
        ]
        anchors = [
            Anchor(size, encode_hashes(tree.consistency_proof(grown, size, grown.size)))
            for size in sorted(seen_sizes)
            if size <= grown.size
        ]
        subject = Subject(self.agents, NOW - SECOND, end)
        return bundle.build(str(LEDGER), self.note(), subject, pieces, anchors)


class World:
    """A host that sealed four batches, each quoting the log as its host knew it, and its receipts."""

    def __init__(self) -> None:
        self.log = Log()
        self.sizes: set[int] = set()
        self.receipts: list[Acknowledged] = []
        self.head = ORIGIN
        for _ in range(4):
            self.send()
        host = Host(AGENT, 1, KEY.public.hex(), str(LEDGER), NOW + 7200 * SECOND, ORIGIN.hash)
        self.host = HostReceipts(host, (Note(NOW, self.log.note()),), tuple(self.receipts))

    def send(self, at: int | None = None, **more: Any) -> int:
        """Let the host seal its next batch, and the log take it; return its index."""
        seen = self.log.seen()
        self.sizes.add(seen.size)
        time = NOW + self.head.seq * SECOND if at is None else at
        sealed = host_batch(self.head, seen=seen, time=time, **more)
        self.head = sealed.head
        index = self.log.append(sealed)
        self.receipts.append(Acknowledged(time, "bulk", self.head.seq, self.head.hash, index, index + 1))
        return index

    def report(self, *, trusted: bool, **how: Any) -> Report:
        host = msgspec.structs.replace(self.host, receipts=tuple(self.receipts))
        return audit.audit(bundle.read(self.log.bundle(self.sizes, **how)), (host,) if trusted else ())
