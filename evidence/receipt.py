"""Receipts: what the collector answers once a batch is durable, and how its host verifies it."""

from __future__ import annotations

import binascii

import msgspec

from . import checkpoint, strict, tree
from .checkpoint import Checkpoint, VerifierKey
from .errors import CodecError
from .statement import Count

RECEIPT_LIMIT = 65_536
"""Bytes of a receipt."""
PROOF_LIMIT = 64
"""Hashes of a proof: one for each level that a tree can have, and one more."""
_HASH_BYTES = 32


class Joined(msgspec.Struct, frozen=True, omit_defaults=True):
    """A SUCCESSOR entry in base64, proven to be in the receipt's tree; consistency starts from its index."""

    entry: str
    inclusion: tuple[str, ...]
    consistency: tuple[str, ...] = ()


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to an accepted batch, as JSON.

    index is the entry's leaf; inclusion and consistency are base64 hashes, leaf side first; checkpoint is the
    signed note; old_size is the size the consistency proof starts from (0: no proof needed). joins are there
    where the log goes on from another one that the host still takes for the log.
    """

    index: Count
    checkpoint: str
    inclusion: tuple[str, ...]
    old_size: Count = 0
    consistency: tuple[str, ...] = ()
    duplicate: bool = False
    joins: tuple[Joined, ...] = ()


_decoder = msgspec.json.Decoder(Receipt)


def to_bytes(receipt: Receipt) -> bytes:
    """Return the receipt as JSON."""
    return msgspec.json.encode(receipt)


def from_bytes(raw: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        CodecError: it is too long, no JSON, or a field is missing or wrong.
    """
    if len(raw) > RECEIPT_LIMIT:
        raise CodecError(f"receipt: {len(raw)} bytes, at most {RECEIPT_LIMIT}")
    return strict.decode(_decoder, raw, "receipt")


def encode_hashes(hashes: list[bytes]) -> tuple[str, ...]:
    """Return hashes as base64, as they stand in a receipt."""
    return tuple([binascii.b2a_base64(item, newline=False).decode() for item in hashes])


def decode_hashes(hashes: tuple[str, ...]) -> list[bytes]:
    """Return the hashes of a proof.

    Raises:
        CodecError: there are more than PROOF_LIMIT, or one is not 32 bytes in base64.
    """
    if len(hashes) > PROOF_LIMIT:
        raise CodecError(f"proof: {len(hashes)} hashes, at most {PROOF_LIMIT}")
    try:
        found = [strict.from_base64(item) for item in hashes]
    except ValueError as error:
        raise CodecError(f"proof: {error}") from error
    if any(len(item) != _HASH_BYTES for item in found):
        raise CodecError(f"proof: a hash has not {_HASH_BYTES} bytes")
    return found


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
