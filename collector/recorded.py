"""What the ledger's acts hold, brought into a table of state.db: it may be older, or made anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.event import Event
from evidence.kind import Body

from .lake.decode import Reading
from .ledger.reader import LedgerItem, LedgerReader

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
Change = Callable[[Event[Body]], C | None]
"""Returns what an act changes of the table; None for an act about something else.

Raises:
    KeyError, ValueError: it is an act of this table by its verb, and says too little.
"""
_log = logging.getLogger(__name__)


class Table(Protocol[C_contra]):
    """A table that knows up to which entry of the ledger it has taken acts in."""

    def position(self) -> int:
        """Return the index of the first ledger entry that is not yet taken in."""
        ...

    def take(self, changes: Iterable[C_contra], position: int) -> None:
        """Take in what the ledger's entries before position say, in their order; what is known stays."""
        ...


def bring(ledger: Path, table: Table[C], change: Change[C]) -> None:
    """Let table take in every durable act that it does not have.

    Raises:
        NotSetUp: there is no database.
        LedgerError: the ledger cannot be read.
    """
    reader = LedgerReader(ledger)
    try:
        begin, end = table.position(), reader.size()
        found = [made for item in _acts(reader, begin, end) if (made := _change(item, change)) is not None]
    finally:
        reader.close()
    table.take(found, end)


def _acts(reader: LedgerReader, begin: int, end: int) -> Iterator[LedgerItem]:
    """Yield the acts from begin on, with their data."""
    gone = 0
    for index in [item.index for item in reader.entries(begin) if item.type is EntryType.ACT]:
        if index >= end:
            break
        (item,) = reader.items(index, 1)
        gone += item.data is None
        yield item
    if gone:
        _log.warning("the data of %d acts was deleted: what they decided cannot be known", gone)


def _change(item: LedgerItem, change: Change[C]) -> C | None:
    """Return what an act did to the table; None where it is about something else, or cannot be read."""
    try:
        events = [event for part in Reading(item).parts() for event in part]
        return next((made for event in events if (made := change(event)) is not None), None)
    except (EvidenceError, KeyError, ValueError) as error:
        _log.warning("entry %d: an act that cannot be read: %s", item.index, error)
        return None
