"""The tree as C2SP tlog-tiles (https://c2sp.org/tlog-tiles): paths, and full hash tiles as files."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from evidence.errors import CodecError
from evidence.tree import Hashes, Tree

from .disk import Disk
from .layout import BUNDLE

_HEIGHT = 8
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TilePath(msgspec.Struct, frozen=True):
    """Which tile: level (None: the entry bundle), number, and how many hashes or entries wide (1 to 256)."""

    level: int | None
    number: int
    width: int = BUNDLE

    def __str__(self) -> str:
        """Return the path as clients ask for it."""
        groups = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == BUNDLE else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"


def parse_path(path: str) -> TilePath:
    """Read a tile's path, without a leading slash.

    Raises:
        CodecError: it is no path of a tile.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise CodecError(f"{path[:100]!r}: not the path of a tile")
    level, number, width = match.groups()
    tile = TilePath(
        None if level == "entries" else int(level),
        int(number.replace("/x", "").replace("/", "").lstrip("x")),
        BUNDLE if width is None else int(width),
    )
    if str(tile) != path:
        raise CodecError(f"{path[:100]!r}: not the path of a tile in its one form")
    return tile


def exists_in(tile: TilePath, size: int) -> bool:
    """Tell whether a tree of size leaves has this tile, at this width or wider."""
    nodes = size >> (_HEIGHT * (tile.level or 0))
    return tile.number * BUNDLE + tile.width <= nodes


def hashes_of(tree: Hashes, tile: TilePath) -> bytes:
    """Return a hash tile's bytes."""
    height = _HEIGHT * (tile.level or 0)
    first = tile.number * BUNDLE
    return b"".join(tree.subtree(height, first + at) for at in range(tile.width))


class TileFiles:
    """Full hash tiles below the ledger's folder. They follow from the entries, so they are not synced."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._written: dict[int, int] = {}

    def catch_up(self, tree: Tree, size: int) -> None:
        """Write the full tiles of the first size leaves that are not there.

        Raises:
            OSError: the disk is full; the next call tries again.
        """
        level = 0
        while full := size >> (_HEIGHT * (level + 1)):
            for number in range(self._written.get(level, 0), full):
                tile = TilePath(level, number)
                path = self._folder / str(tile)
                if not path.exists():
                    self._disk.publish(path, hashes_of(tree, tile))
                self._written[level] = number + 1
            level += 1
