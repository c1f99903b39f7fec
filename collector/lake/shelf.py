"""What the pipeline stores at once, and where it puts that: the contract of the lake as it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
import pyarrow as pa

from ..rules.rulebook import Book
from .columns import TableName


class Commit(msgspec.Struct, frozen=True):
    """Rows to store, as Arrow tables by name, and the ledger index that follows them.

    Events have the schema `extract.TOLD`, and texts are theirs as NDJSON, in pieces and in the same order;
    the others have the schema of their table.
    """

    tables: Mapping[TableName, pa.Table]
    position: int
    texts: Sequence[bytes | bytearray] = ()


class Shelf(Protocol):
    """The lake as the pipeline writes it. `tend` may run beside the others; these come one by one."""

    def position(self) -> int:
        """Return the index of the first ledger entry that is not stored."""
        ...

    def stored_alerts(self, ids: Iterable[str]) -> set[tuple[str, int]]:
        """Return id and revision of those of ids that are stored."""
        ...

    def commit(self, commit: Commit) -> None:
        """Store rows and position together, durably; on an error nothing is stored.

        Raises:
            StoreError: nothing was stored; trying again can help, unless it is a `StoreGone`.
        """
        ...

    def publish(self, book: Book, now: int, position: int | None = None) -> None:
        """Write what readers see, as of now (UTC ns); position is what is stored, if that is known."""
        ...

    def tend(self, now: int) -> None:
        """Merge small files, and drop those that were merged or replaced long before now (UTC ns).

        Raises:
            StoreError: not all was done; the lake is whole.
        """
        ...

    def close(self) -> None:
        """Close the lake."""
        ...
