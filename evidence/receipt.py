"""Receipts: what the collector answers once a batch is durable, and how its host verifies it."""

from __future__ import annotations

import base64
import binascii

import msgspec

from . import checkpoint, tree
from .checkpoint import Checkpoint, VerifierKey
from .errors import CodecError

RECEIPT_LIMIT = 65_536
"""Bytes of a receipt."""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to an accepted batch, as JSON.

    index is the entry's leaf; inclusion and consistency are base64 hashes, leaf side first; checkpoint is the
    signed note; old_size is the size the consistency proof starts from (0: no proof needed).
    """

    index: int
    checkpoint: str
    inclusion: tuple[str, ...]
    old_size: int = 0
    consistency: tuple[str, ...] = ()
    duplicate: bool = False


_decoder = msgspec.json.Decoder(Receipt)


def to_bytes(receipt: Receipt) -> bytes:
    """Return the receipt as JSON."""
    return msgspec.json.encode(receipt)


def from_bytes(raw: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        CodecError: it is too long, no JSON, or lacks a field.
    """
    if len(raw) > RECEIPT_LIMIT:
        raise CodecError(f"receipt: {len(raw)} bytes, at most {RECEIPT_LIMIT}")
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"receipt: {error}") from error


def encode_hashes(hashes: list[bytes]) -> tuple[str, ...]:
    """Return hashes as base64, as they stand in a receipt."""
    return tuple(base64.b64encode(item).decode() for item in hashes)


def decode_hashes(hashes: tuple[str, ...]) -> list[bytes]:
    """Return the hashes of a receipt.

    Raises:
        CodecError: one is not strict base64.
    """
    try:
        return [base64.b64decode(item, validate=True) for item in hashes]
    except (binascii.Error, ValueError) as error:
        raise CodecError(f"proof: {error}") from error


def check(receipt: Receipt, entry: bytes, key: VerifierKey, known: Checkpoint | None) -> Checkpoint:
    """Verify signature, inclusion of entry, and consistency with the last checkpoint known.

    A receipt may be for a tree smaller than the known one (it was overtaken); then the known one stays.

    Returns:
        The newest checkpoint that is now verified: what the next statement may quote as seen.

    Raises:
        CodecError, BadCheckpoint, BadProof: by what does not hold.
    """
    said = checkpoint.verify_note(receipt.checkpoint.encode(), key)
    leaf = tree.leaf_hash(entry)
    tree.check_inclusion(leaf, receipt.index, said.size, decode_hashes(receipt.inclusion), said.root)
    if known is None:
        return said
    return extend(known, said, receipt)


def extend(known: Checkpoint, said: Checkpoint, receipt: Receipt) -> Checkpoint:
    """Return the newer of known and said, once the receipt proves that it extends the other.

    Raises:
        BadProof: the log forked or shrank, or the receipt starts from another size than known's.
    """
    proof = decode_hashes(receipt.consistency)
    if said.size >= known.size:
        tree.check_consistency(known.size, said.size, known.root, said.root, proof)
        return said
    tree.check_consistency(said.size, known.size, said.root, known.root, proof)
    return known
