"""RFC 6962 Merkle tree: hashes, roots, inclusion and consistency proofs over any source of subtree hashes.

Verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Protocol

from .errors import BadProof

EMPTY_ROOT = hashlib.sha256(b"").digest()


class Hashes(Protocol):
    """Hashes of complete subtrees."""

    def subtree(self, level: int, index: int) -> bytes:
        """Return the root of the complete subtree over leaves index·2^level to (index+1)·2^level - 1."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree that keeps every complete subtree's hash in memory: 64 bytes a leaf."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Take the leaf hashes there already are."""
        self._levels: list[bytearray] = [bytearray()]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0]) // 32

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash and return its index."""
        index = self.size
        level, at, node = 0, index, leaf
        while True:
            self._levels[level] += node
            if not at & 1:
                return index
            node = node_hash(self.subtree(level, at - 1), node)
            level, at = level + 1, at >> 1
            if level == len(self._levels):
                self._levels.append(bytearray())

    def subtree(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree, as `Hashes` asks."""
        return bytes(self._levels[level][32 * index : 32 * index + 32])

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first size leaves (all if None)."""
        return root(self, self.size if size is None else size)


def _range_hash(hashes: Hashes, start: int, end: int) -> bytes:
    """Return the hash over leaves start to end - 1; start is a multiple of the span's power of two."""
    span = end - start
    if span & (span - 1) == 0:
        level = span.bit_length() - 1
        return hashes.subtree(level, start >> level)
    split = 1 << ((span - 1).bit_length() - 1)
    return node_hash(_range_hash(hashes, start, start + split), _range_hash(hashes, start + split, end))


def root(hashes: Hashes, size: int) -> bytes:
    """Return the root over the first size leaves."""
    return _range_hash(hashes, 0, size) if size else EMPTY_ROOT


def inclusion_proof(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf index in the tree of size leaves (RFC 6962, 2.1.1), leaf side first."""
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < split:
            path.append(_range_hash(hashes, split, end))
            end = split
        else:
            path.append(_range_hash(hashes, start, split))
            start = split
    path.reverse()
    return path


def consistency_proof(hashes: Hashes, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of new leaves extends the one of old leaves (RFC 6962, 2.1.2)."""
    if not 0 <= old <= new:
        raise BadProof(f"a tree of {new} leaves cannot extend one of {old}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if old <= split:
            path.append(_range_hash(hashes, split, end))
            end = split
        else:
            path.append(_range_hash(hashes, start, split))
            start, whole = split, False
    if not whole:
        path.append(_range_hash(hashes, start, end))
    path.reverse()
    return path


def _expect(got: bytes, expected: bytes, what: str) -> None:
    if not hmac.compare_digest(got, expected):
        raise BadProof(f"{what}: leads to {got.hex()[:16]}…, expected {expected.hex()[:16]}…")


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Verify that leaf (a leaf hash) is at index in the tree of size leaves with root expected.

    Raises:
        BadProof: it is not, or the proof has the wrong length.
    """
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} is not in a tree of {size}")
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise BadProof("inclusion proof: too long")
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise BadProof("inclusion proof: too short")
    _expect(node, expected, "inclusion proof")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Verify that the tree (new, new_root) only appended to the tree (old, old_root).

    Raises:
        BadProof: it shrank, forked, or the proof has the wrong length.
    """
    if old > new:
        raise BadProof(f"the tree shrank from {old} to {new} leaves")
    if old in (0, new):
        if proof:
            raise BadProof("consistency proof: too long")
        _expect(new_root if old else EMPTY_ROOT, old_root, "consistency proof")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise BadProof("consistency proof: too short")
    first, second = _fold(path, old - 1, new - 1)
    _expect(first, old_root, "consistency proof, old root")
    _expect(second, new_root, "consistency proof, new root")


def _fold(path: Sequence[bytes], at: int, last: int) -> tuple[bytes, bytes]:
    """Return the old and the new root that a consistency path leads to; at and last are leaf indices."""
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("consistency proof: too long")
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise BadProof("consistency proof: too short")
    return first, second
