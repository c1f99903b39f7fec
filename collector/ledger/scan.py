"""Read the ledger's files back: recompute the tree at start, find offsets, fetch one entry."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from evidence import tree
from evidence.checkpoint import Checkpoint
from evidence.tree import Tree

from ..errors import LedgerError
from . import layout
from .layout import SEGMENT

Visit = Callable[[int, bytes], None]


def rebuild(folder: Path, head: Checkpoint, visit: Visit | None = None) -> Tree:
    """Return the tree over the entries that head covers; visit is called with each (index, entry).

    Raises:
        LedgerError: there are fewer entries than head says, or they lead to another root.
    """
    grown = Tree()
    for segment in range(-(-head.size // SEGMENT)):
        for _, entry in layout.walk_entries(_read(folder / layout.entries_name(segment))):
            index = grown.size
            if index == min((segment + 1) * SEGMENT, head.size):
                break
            grown.append(tree.leaf_hash(entry))
            if visit is not None:
                visit(index, entry)
        if grown.size < min((segment + 1) * SEGMENT, head.size):
            break
    if grown.size < head.size:
        raise LedgerError(
            f"{folder}: {grown.size} entries, but a checkpoint was signed for {head.size};"
            " the ledger does not serve. See vedette-collector fsck"
        )
    if grown.root() != head.root:
        raise LedgerError(
            f"{folder}: the entries do not lead to the root that was signed for {head.size} of them;"
            " the ledger does not serve. See vedette-collector fsck"
        )
    return grown


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def entries_end(path: Path, count: int) -> int:
    """Return the offset behind the first count entries of a segment's file.

    Raises:
        LedgerError: it holds fewer.
    """
    if count == 0:
        return 0
    for number, (end, _) in enumerate(layout.walk_entries(_read(path)), start=1):
        if number == count:
            return end
    raise LedgerError(f"{path}: fewer than {count} entries; see vedette-collector fsck")


def data_end(path: Path, first: int, count: int) -> int:
    """Return the offset behind the data of entries first to first + count - 1; only headers are read.

    Raises:
        LedgerError: a record is missing, torn, or of another entry.
    """
    at = 0
    if count == 0:
        return at
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}; see vedette-collector fsck") from error
    try:
        size = os.fstat(file).st_size
        for index in range(first, first + count):
            header = layout.read_header(os.pread(file, layout.RECORD_HEADER, at))
            if header is None or header.index != index or at + layout.RECORD_HEADER + header.length > size:
                raise LedgerError(f"{path}: no record of entry {index} at {at}; see vedette-collector fsck")
            at += layout.RECORD_HEADER + header.length
    finally:
        os.close(file)
    return at


def read_entry(folder: Path, index: int) -> bytes:
    """Return the bytes of one entry.

    Raises:
        LedgerError: it is not there.
    """
    return read_entries(folder, index, 1)[0]


def read_entries(folder: Path, first: int, count: int) -> list[bytes]:
    """Return count entries of one segment, from leaf index first on.

    Raises:
        LedgerError: they are not there.
    """
    segment, skip = divmod(first, SEGMENT)
    path = folder / layout.entries_name(segment)
    found: list[bytes] = []
    for number, (_, entry) in enumerate(layout.walk_entries(_read(path))):
        if number >= skip:
            found.append(entry)
        if len(found) == count:
            return found
    raise LedgerError(f"{path}: no entry {first + len(found)}; see vedette-collector fsck")
