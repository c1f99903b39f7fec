"""A host that seals, and a ledger that answers, both in memory, out of evidence functions alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from agent.settings import Spool
from agent.spool import inbox
from agent.spool.disk import Disk
from agent.spool.outbox import Outbox
from evidence import checkpoint, entry, receipt, seal, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType
from evidence.event import Event
from evidence.keys import PrivateKey
from evidence.kind import Body, Lane
from evidence.kinds.agent import Stop
from evidence.receipt import Receipt
from evidence.seal import Circumstances, Place, SealedBatch
from evidence.tree import Tree

AGENT = "ab" * 16
KEY = PrivateKey(b"a" * 32)
ENROLMENT = entry.encode(EntryType.ENROLMENT, b'{"enrolled":true}')
ENTRY = entry.digest(ENROLMENT)
SPOOL_KEY = b"s" * 32
FOLDER = Path("/spool")
MEMORY = Path("/memory")
LIMITS = Spool(max_bytes=1 << 20, free_floor_bytes=1, segment_bytes=4096)


class Log:
    """A transparency log that can be made to lie."""

    def __init__(self, origin: str = "test.example/log") -> None:
        self.signer = PrivateKey(b"l" * 32)
        self.key = VerifierKey(origin, self.signer.public)
        self.tree = Tree()
        self.index: dict[bytes, int] = {}
        self.add(ENROLMENT)

    def add(self, raw: bytes) -> int:
        if raw not in self.index:
            self.index[raw] = self.tree.append(tree.leaf_hash(raw))
        return self.index[raw]

    def note(self) -> str:
        said = Checkpoint(self.key.name, self.tree.size, self.tree.root())
        return checkpoint.sign(said, self.signer).decode()

    def receipt(self, raw: bytes, known: int, *, add: bool = True) -> Receipt:
        duplicate = raw in self.index
        index = self.add(raw) if add else self.index[raw]
        size = self.tree.size
        known = known if known <= size else 0
        return Receipt(
            index=index,
            checkpoint=self.note(),
            inclusion=receipt.encode_hashes(tree.inclusion_proof(self.tree, index, size)),
            old_size=known,
            consistency=receipt.encode_hashes(tree.consistency_proof(self.tree, known, size)),
            duplicate=duplicate,
        )

    def accept(self, batch: SealedBatch, known: int) -> str:
        raw = entry.encode(EntryType.BATCH, batch.envelope)
        return receipt.to_bytes(self.receipt(raw, known)).decode()


@dataclass(frozen=True)
class Owner:
    """What the outbox needs of an identity."""

    ledger: VerifierKey
    checkpoint: str | None
    agent: str = AGENT
    epoch: int = 1
    entry: str = ENTRY


def event(seq: int, size: int = 10) -> Event[Body]:
    """Return an event of about size bytes that do not compress away."""
    text = "".join(hashlib.sha256(b"%d.%d" % (seq, at)).hexdigest() for at in range(size // 32 + 1))
    return Event(seq=seq, time=1_700_000_000_000_000_000 + seq, mono=seq, body=Stop(reason=text[: 2 * size]))


def sealed(outbox: Outbox, lane: Lane, seq: int, size: int = 10) -> SealedBatch:
    """Seal the lane's next batch, saying what the outbox owes, as watch does."""
    other: Lane = "bulk" if lane == "priority" else "priority"
    place = Place(AGENT, 1, lane, outbox.head(lane), outbox.head(other))
    around = Circumstances(
        boot="boot",
        time=1_700_000_000_000_000_000 + seq,
        mono=seq,
        version="0.1.0",
        loss=outbox.damage(),
        dropped=outbox.dropped(),
        seen=outbox.seen,
    )
    return seal.seal([event(seq, size)], place, around, KEY)


@dataclass
class Host:
    """An outbox on a disk, the log it trusts, and what it appended."""

    disk: Disk
    log: Log = field(default_factory=Log)
    limits: Spool = LIMITS
    folder: Path = FOLDER
    memory: Path = MEMORY

    def __post_init__(self) -> None:
        self.owner = Owner(self.log.key, self.log.note())
        self.appended: list[SealedBatch] = []
        self.number = 0
        self.outbox = self.open()

    def open(self) -> Outbox:
        self.outbox = Outbox.open(
            self.folder, SPOOL_KEY, self.limits, chain=self.owner, memory=self.memory, disk=self.disk
        )
        return self.outbox

    def append(self, lane: Lane = "priority", size: int = 10) -> SealedBatch:
        self.number += 1
        batch = sealed(self.outbox, lane, self.number, size)
        self.outbox.append(batch)
        self.appended.append(batch)
        return batch

    def hand(self, batch: SealedBatch, raw: str | None) -> None:
        """Leave a delivery in `in/`, as ship does."""
        self.number += 1
        said = batch.statement
        found = inbox.Delivered(said.lane, said.seq, raw, unreadable=raw is None)
        path = self.folder / "in" / inbox.file_name(self.number)
        self.disk.replace(path, inbox.encode(found), durable=False)

    def deliver(self, batch: SealedBatch) -> int:
        """Log a batch, hand its receipt over, and let watch take it."""
        seen = self.outbox.seen
        self.hand(batch, self.log.accept(batch, seen.size if seen else 0))
        return self.outbox.take_receipts(self.number)
