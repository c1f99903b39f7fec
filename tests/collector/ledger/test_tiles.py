"""Tiles have the paths and bytes of C2SP tlog-tiles, and any tool that knows those can rebuild the root."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ledger import layout, tiles
from collector.ledger.publish import Published
from collector.ledger.segment import row
from collector.ledger.tiles import TilePath
from collector.ledger.writer import Ledger
from evidence import checkpoint, entry, tree
from evidence.checkpoint import VerifierKey
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.keys import PrivateKey
from evidence.tree import Tree

KEY = PrivateKey(b"\x01" * 32)
ORIGIN = "test.local/log"


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (TilePath(0, 0), "tile/0/000"),
        (TilePath(1, 255, 7), "tile/1/255.p/7"),
        (TilePath(0, 1234067), "tile/0/x001/x234/067"),
        (TilePath(None, 1000, 3), "tile/entries/x001/000.p/3"),
    ],
)
def test_paths_are_those_of_the_specification(tile: TilePath, path: str) -> None:
    assert str(tile) == path
    assert tiles.parse_path(path) == tile


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 10**12), st.integers(1, 256))
def test_paths_round_trip(level: int | None, number: int, width: int) -> None:
    tile = TilePath(level, number, width)
    assert tiles.parse_path(str(tile)) == tile


@given(st.text(max_size=40))
def test_no_other_path_is_taken(path: str) -> None:
    with pytest.raises(CodecError):
        tiles.parse_path(path)


@pytest.mark.parametrize(
    "path",
    ["tile/0/000.p/256", "tile/0/x000/001", "tile/00/000", "tile/0/0", "tile/0/000.p/0", "tile/../../x"],
)
def test_a_path_has_one_form(path: str) -> None:
    with pytest.raises(CodecError):
        tiles.parse_path(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path, KEY, ORIGIN)
    rows = [row(entry.encode(EntryType.BATCH, b"entry %d" % number), number) for number in range(70_000)]
    for start in range(0, len(rows), 10_000):
        ledger.append(rows[start : start + 10_000])
    ledger.close()
    return tmp_path


def hash_tile(published: Published, level: int, number: int, size: int) -> list[bytes]:
    nodes = size >> (8 * level)
    width = min(256, nodes - number * 256)
    raw = published.tile(str(TilePath(level, number, width)))
    assert raw is not None
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]


def test_the_root_follows_from_the_published_tiles(folder: Path) -> None:
    published = Published(folder)
    head = checkpoint.verify_note(published.checkpoint(), VerifierKey(ORIGIN, KEY.public))
    assert head.size == 70_000
    leaves = [leaf for number in range(274) for leaf in hash_tile(published, 0, number, head.size)]
    assert Tree(leaves).root() == head.root
    assert hash_tile(published, 1, 1, head.size)[5] == Tree(leaves[261 * 256 : 262 * 256]).root()
    assert hash_tile(published, 2, 0, head.size)[0] == Tree(leaves[: 1 << 16]).root()
    raw = published.tile("tile/entries/273.p/112")
    assert raw is not None
    bundle = [one for _, one in layout.walk_entries(raw)]
    assert [tree.leaf_hash(one) for one in bundle] == leaves[273 * 256 :]
    for absent in ("tile/entries/273", "tile/0/273", "tile/3/000", "tile/0/274", "tile/x", "etc/passwd"):
        assert published.tile(absent) is None


def test_missing_tiles_follow_from_what_is_there_and_are_made_anew(folder: Path) -> None:
    published = Published(folder)
    first, second = published.tile("tile/0/007"), published.tile("tile/1/000")
    (folder / "tile/0/007").unlink()
    (folder / "tile/1/000").unlink()
    assert (published.tile("tile/0/007"), published.tile("tile/1/000")) == (first, second)
    Ledger(folder, KEY, ORIGIN).close()
    assert (folder / "tile/1/000").read_bytes() == second
