"""Which data segments are old enough to go: whole, full ones, none of it on hold. Deleting comes last."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from evidence.decision import Retention
from evidence.entry import EntryType

from ..chains.projection import Projection
from ..ledger import layout
from ..ledger.disk import Disk
from ..ledger.layout import RECORD_HEADER, SEGMENT
from ..ledger.reader import LedgerReader
from .ledger_client import LedgerAccess


class Old(msgspec.Struct, frozen=True):
    """A data segment that may go: entries first to last, its bytes. recorded: an entry says so already."""

    segment: int
    first: int
    last: int
    bytes: int
    recorded: bool


def decided(reader: LedgerReader) -> Projection:
    """Return what the ledger's retention and setting entries say: expired and held ranges."""
    projection = Projection()
    for item in reader.entries():
        if item.type in (EntryType.RETENTION, EntryType.SETTING):
            projection.apply(item.index, item.type, item.payload)
    return projection


def old_segments(folder: Path, size: int, before: int, decisions: Projection) -> list[Old]:
    """Return the full segments whose newest data came before a time (UTC ns), and that nobody holds."""
    found: list[Old] = []
    for segment in range(size // SEGMENT):
        path = folder / layout.data_name(segment)
        first, last = segment * SEGMENT, (segment + 1) * SEGMENT - 1
        if not path.exists() or decisions.held.touches(first, last):
            continue
        recorded = first in decisions.expired and last in decisions.expired
        if recorded or _newest(path) < before:
            found.append(Old(segment, first, last, path.stat().st_size, recorded))
    return found


def expire(ledger: LedgerAccess, folder: Path, old: list[Old], decision: Retention, disk: Disk) -> None:
    """Append an entry for each run of segments, then delete their data; a crash between is made good later.

    decision's author, reason and time are taken over.

    Raises:
        LedgerError: an entry could not be made durable; nothing that it covers was deleted.
    """
    for first, last in _runs([one for one in old if not one.recorded]):
        said = msgspec.structs.replace(decision, first=first, last=last)
        ledger.append(EntryType.RETENTION, msgspec.json.encode(said))
    for one in old:
        disk.remove(folder / layout.data_name(one.segment))


def _runs(old: list[Old]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for one in old:
        if runs and runs[-1][1] + 1 == one.first:
            runs[-1] = (runs[-1][0], one.last)
        else:
            runs.append((one.first, one.last))
    return runs


def _newest(path: Path) -> int:
    """Return the newest receive time in a data file, from its headers."""
    newest = at = 0
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while (header := layout.read_header(os.pread(file, RECORD_HEADER, at))) is not None:
            newest = max(newest, header.received)
            at += RECORD_HEADER + header.length
    finally:
        os.close(file)
    return newest
