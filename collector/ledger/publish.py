"""The ledger as C2SP tlog-tiles for any reader: checkpoint, tiles and entry bundles, from its files alone."""

from __future__ import annotations

from pathlib import Path

from evidence import tree
from evidence.errors import CodecError
from evidence.tree import Tree

from ..errors import LedgerError
from . import layout, scan
from .layout import BUNDLE
from .reader import LedgerReader
from .tiles import TilePath, exists_in, parse_path

_MAX_LEVEL = 7


class Published:
    """Answers what a tlog client asks for; nothing beyond the newest durable checkpoint is shown."""

    def __init__(self, folder: Path) -> None:
        """Take the ledger's folder.

        Raises:
            LedgerError: there is no ledger.
        """
        self._folder = folder
        self._reader = LedgerReader(folder)

    def checkpoint(self) -> bytes:
        """Return the newest durable checkpoint as a signed note."""
        return self._reader.note()

    def tile(self, path: str) -> bytes | None:
        """Return the tile or entry bundle at path, such as ``tile/0/x001/234.p/7``; None if there is none.

        Raises:
            LedgerError: the ledger's files are damaged.
        """
        try:
            tile = parse_path(path)
        except CodecError:
            return None
        if (tile.level or 0) > _MAX_LEVEL or not exists_in(tile, self._reader.size()):
            return None
        if tile.level is None:
            entries = scan.read_entries(self._folder, tile.number * BUNDLE, tile.width)
            return b"".join(layout.frame_entry(one) for one in entries)
        return self._hashes(tile.level, tile.number, tile.width)

    def _hashes(self, level: int, number: int, width: int) -> bytes:
        if width == BUNDLE:
            try:
                return (self._folder / str(TilePath(level, number))).read_bytes()
            except FileNotFoundError:
                pass  # it was no time yet to write it; it follows from what is below
        if level == 0:
            entries = scan.read_entries(self._folder, number * BUNDLE, width)
            return b"".join(tree.leaf_hash(one) for one in entries)
        below = (self._hashes(level - 1, number * BUNDLE + at, BUNDLE) for at in range(width))
        return b"".join(_root(tile) for tile in below)


def _root(tile: bytes) -> bytes:
    if len(tile) != 32 * BUNDLE:
        raise LedgerError("a hash tile is damaged; see vedette-collector fsck")
    return Tree(tile[at : at + 32] for at in range(0, len(tile), 32)).root()
