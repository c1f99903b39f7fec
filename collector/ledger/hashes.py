"""The tree's subtrees from its published tiles: proofs for whoever does not own the ledger."""

from __future__ import annotations

import functools

from evidence.tree import Tree

from .layout import BUNDLE
from .publish import Published
from .tiles import TilePath

_HASH_BYTES = 32
_HEIGHT = 8
_TILES_KEPT = 4096


class PublishedHashes:
    """The subtrees of a tree of size leaves; implements `evidence.tree.Hashes`."""

    def __init__(self, published: Published, size: int) -> None:
        """Take where tiles come from; size is that of one of its checkpoints."""
        self._published = published
        self._size = size
        self._tile = functools.lru_cache(_TILES_KEPT)(self._read)

    def subtree(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree.

        Raises:
            LedgerError: the ledger's files are damaged.
        """
        height, inside = divmod(level, _HEIGHT)
        number, at = divmod(index << inside, BUNDLE)
        row = self._tile(height, number)[at * _HASH_BYTES : (at + (1 << inside)) * _HASH_BYTES]
        return Tree(row[start : start + _HASH_BYTES] for start in range(0, len(row), _HASH_BYTES)).root()

    def _read(self, height: int, number: int) -> bytes:
        width = min(BUNDLE, (self._size >> (_HEIGHT * height)) - number * BUNDLE)
        return self._published.tile(str(TilePath(height, number, width))) or b""
