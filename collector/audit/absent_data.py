"""Why data of statements is not there: which statements gave it up, which retention entries deleted it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
import msgspec

from evidence import decision
from evidence.entry import EntryType
from evidence.statement import Dropped, Statement

from ..ledger.reader import LedgerReader

_DROPPED = """
SELECT ledger_index, dropped FROM batches
WHERE agent = ? AND epoch = ? AND dropped IS NOT NULL ORDER BY ledger_index
"""
_dropped = msgspec.json.Decoder(tuple[Dropped, ...])


def given_up(lake: duckdb.DuckDBPyConnection, absent: Iterable[Statement]) -> set[int]:
    """Return the leaf indices of the statements in which hosts say that data of absent is gone."""
    found: set[int] = set()
    wanted: dict[tuple[str, int], list[Statement]] = {}
    for said in absent:
        wanted.setdefault((said.agent, said.epoch), []).append(said)
    for chain, statements in wanted.items():
        for index, raw in lake.execute(_DROPPED, chain).fetchall():
            if any(_covers(gone, said) for gone in _dropped.decode(raw) for said in statements):
                found.add(index)
    return found


def _covers(gone: Dropped, said: Statement) -> bool:
    return gone.lane == said.lane and gone.first <= said.seq <= gone.last


def retentions(reader: LedgerReader, indices: Sequence[int]) -> set[int]:
    """Return the leaf indices of the retention entries that say the data of these entries was deleted.

    Raises:
        LedgerError: the ledger is damaged.
    """
    found: set[int] = set()
    for item in reader.entries():
        if item.type is EntryType.RETENTION:
            gone = decision.retention(item.payload)
            if any(gone.first <= index <= gone.last for index in indices):
                found.add(item.index)
    return found
