"""Look at a spool without owning it: what waits, what is damaged. Changes nothing, safe while watch runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..errors import SpoolError
from . import heads, progress, record, segment
from .disk import Disk
from .heads import Heads
from .outbox import HEADS_FILE
from .progress import Progress
from .segment import Stored

_READ_LIMIT = 2 * segment.STATEMENT_BYTES


class Survey(msgspec.Struct, frozen=True):
    """A spool in figures."""

    heads: Heads | None
    progress: Progress
    bytes: int
    waiting: int
    without_data: int


def read_heads(disk: Disk, spool: Path) -> Heads | None:
    """Return the chains' heads, None before the first start of watch."""
    path = spool / "out" / HEADS_FILE
    if disk.size(path) is None:
        return None
    found = heads.decode(disk.read(path, 0, 2 * heads.SLOT))
    return found[0] if found else None


def stored(disk: Disk, spool: Path) -> Iterator[tuple[segment.Name, Stored]]:
    """Yield every whole statement that is not finished with, by lane and in order."""
    for text in disk.names(spool / "out"):
        name = segment.parse_name(text)
        if name is not None and name.suffix == segment.STATEMENTS:
            for _, item in segment.statements(disk, spool / "out" / text):
                yield name, item


def survey(disk: Disk, spool: Path) -> Survey:
    """Return what is in the spool; an absent one is empty."""
    now = read_heads(disk, spool)
    told = read_progress(disk, spool)
    waiting = without = 0
    for name, item in stored(disk, spool):
        if not told.acked(name.lane).covers(item.seq):
            waiting += 1
            data = spool / "out" / str(segment.Name(name.lane, name.first, segment.DATA))
            without += not item.data_length or disk.size(data) is None
    names = disk.names(spool / "out")
    size = sum(disk.size(spool / "out" / text) or 0 for text in names if segment.parse_name(text))
    return Survey(now, told, size, waiting, without)


def read_progress(disk: Disk, spool: Path) -> Progress:
    """Return what watch has acknowledged; nothing where that cannot be read."""
    try:
        return progress.decode(disk.read(spool / "out" / progress.FILE, 0, progress.LIMIT))
    except (OSError, SpoolError):
        return Progress()


def verify(disk: Disk, spool: Path, key: bytes) -> Iterator[str]:
    """Yield a sentence for everything that is damaged: gaps, data that does not decrypt, holes, heads."""
    if read_heads(disk, spool) is None and disk.names(spool / "out"):
        yield "heads: neither slot can be read"
    for text in disk.names(spool / "out"):
        name = segment.parse_name(text)
        if name is None or name.suffix != segment.STATEMENTS:
            continue
        raw = disk.read(spool / "out" / text, 0, _READ_LIMIT)
        for item in record.scan(raw, segment.STATEMENT_MAGIC):
            if isinstance(item, record.Gap):
                yield f"{text}: {item.length} bytes at {item.offset} are no statement"
            else:
                yield from _data_problem(disk, spool, name, segment.decode_statement(item), key)


def _data_problem(disk: Disk, spool: Path, name: segment.Name, item: Stored, key: bytes) -> Iterator[str]:
    path = spool / "out" / str(segment.Name(name.lane, name.first, segment.DATA))
    try:
        segment.read_data(disk, path, key, item)
    except FileNotFoundError:
        return
    except (OSError, SpoolError) as error:
        yield f"{name.lane} {item.seq}: {error}"
