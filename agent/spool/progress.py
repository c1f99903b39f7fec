"""What watch tells ship in ``out/progress.json``: the newest checkpoint, and what is acknowledged. Pure.

Losing it costs only resends, so it is written without a flush.
"""

from __future__ import annotations

import msgspec

from evidence.kind import Lane
from evidence.statement import Count, Seen

from ..errors import SpoolError

FILE = "progress.json"
LIMIT = 1 << 20
RANGES = 4096
"""Ranges beyond the floor that are told; what is not told is sent again and answered as a duplicate."""


class Acked(msgspec.Struct, frozen=True):
    """Statements of one lane that watch holds a verified receipt for: all up to floor, and ranges beyond."""

    floor: Count = 0
    beyond: tuple[tuple[Count, Count], ...] = ()

    def covers(self, seq: int) -> bool:
        """Return whether seq is acknowledged."""
        return seq <= self.floor or any(first <= seq <= last for first, last in self.beyond)


class Progress(msgspec.Struct, frozen=True):
    """The file's content; frozen says that deletion has stopped because the log contradicted itself.

    restored counts how often the collector's ledger was restored: then what was acknowledged may wait again.
    """

    seen: Seen | None = None
    priority: Acked = Acked()
    bulk: Acked = Acked()
    frozen: bool = False
    restored: Count = 0

    def acked(self, lane: Lane) -> Acked:
        """Return one lane's."""
        return self.priority if lane == "priority" else self.bulk


_decoder = msgspec.json.Decoder(Progress)


def encode(progress: Progress) -> bytes:
    """Return the file's bytes."""
    return msgspec.json.encode(progress)


def decode(raw: bytes) -> Progress:
    """Read the file.

    Raises:
        SpoolError: it is no progress record.
    """
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpoolError(f"spool: {FILE}: {error}") from error
