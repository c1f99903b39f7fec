"""A log that goes on from another: the entry that says so, and how a host follows it. Pure.

A collector that was restored from a backup takes over the entries that the backup holds, under a new origin.
The first that it adds is of type SUCCESSOR and names the former log's last checkpoint in the backup. Its size
is the entry's own index. What the former log held beyond that is not in the new one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from . import checkpoint, entry, strict, tree
from .checkpoint import Checkpoint, VerifierKey
from .entry import EntryType
from .errors import BadCheckpoint, CodecError
from .receipt import Joined, Receipt, decode_hashes
from .statement import Count

JOINS_LIMIT = 8
"""Successions that a receipt names; a host that missed more has to enrol again."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload of a SUCCESSOR entry, as JSON.

    former and ledger_key are vkeys of one public key under two names, checkpoint is the former log's signed
    note, time is UTC ns.
    """

    former: str
    checkpoint: str
    ledger_key: str
    time: Count
    author: str
    reason: str = ""


class Join(msgspec.Struct, frozen=True):
    """Where a log goes on from another: the former's key and checkpoint, and the key from then on."""

    former: VerifierKey
    checkpoint: Checkpoint
    key: VerifierKey
    record: Record

    @property
    def index(self) -> int:
        """The SUCCESSOR entry's leaf, and how many entries of the former log there are before it."""
        return self.checkpoint.size


_decoder = msgspec.json.Decoder(Record)


def join(payload: bytes, index: int | None = None) -> Join:
    """Read the payload of a SUCCESSOR entry at index, None where that is not known yet.

    Raises:
        CodecError: it is none, or does not hold together.
    """
    record = strict.decode(_decoder, payload, "successor entry")
    try:
        former, key = checkpoint.parse_vkey(record.former), checkpoint.parse_vkey(record.ledger_key)
        head = checkpoint.verify_note(record.checkpoint.encode(), former)
    except BadCheckpoint as error:
        raise CodecError(f"successor entry: {error}") from error
    if key.public != former.public or key.name == former.name:
        raise CodecError("successor entry: not the same key under a new name")
    if index not in (None, head.size):
        raise CodecError(f"successor entry: is entry {index}, the former log's checkpoint says {head.size}")
    return Join(former, head, key, record)


def follow(receipt: Receipt, key: VerifierKey) -> tuple[Join, ...]:
    """Return the steps from the log of key, which a host trusts, to the receipt's; none if it is that.

    Each is proven to be in the receipt's tree, and that tree to go on from the former log's checkpoint.
    Whether the former log held more than that is for the host to say.

    Raises:
        EvidenceError: the receipt is of neither that log nor one that goes on from it.
    """
    name, _, _ = receipt.checkpoint.partition("\n")
    if name == key.name or not receipt.joins:
        checkpoint.verify_note(receipt.checkpoint.encode(), key)
        return ()
    last = VerifierKey(name, key.public)
    said = checkpoint.verify_note(receipt.checkpoint.encode(), last)
    steps: list[Join] = []
    for joined in receipt.joins[:JOINS_LIMIT]:
        step = _proven(joined, said)
        if step.former == (steps[-1].key if steps else key):
            steps.append(step)
    if not steps or steps[-1].key != last:
        raise BadCheckpoint(f"checkpoint: nothing leads from the log {key.name} to {name[:80]!r}")
    return tuple(steps)


def _proven(joined: Joined, said: Checkpoint) -> Join:
    try:
        raw = strict.from_base64(joined.entry)
    except ValueError as error:
        raise CodecError(f"successor entry: {error}") from error
    found = entry.decode(raw)
    if found.type is not EntryType.SUCCESSOR:
        raise CodecError(f"successor entry: of type {found.type.name}")
    step = join(found.payload)
    tree.check_inclusion(
        tree.leaf_hash(raw), step.index, said.size, decode_hashes(joined.inclusion), said.root
    )
    before = step.checkpoint
    tree.check_consistency(before.size, said.size, before.root, said.root, decode_hashes(joined.consistency))
    return step


def joined(raw: bytes, inclusion: Sequence[str], consistency: Sequence[str]) -> Joined:
    """Return a SUCCESSOR entry with its proofs, as a receipt holds it."""
    return Joined(base64.b64encode(raw).decode(), tuple(inclusion), tuple(consistency))
