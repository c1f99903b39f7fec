"""What ship leaves in ``in/`` for watch: receipts, reports, its own state. Watch reads it as hostile.

``<16 hex>.receipt``: a number that grows, so name order is delivery order. ``state.json``: how shipping goes.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from evidence import receipt
from evidence.kind import Lane
from evidence.statement import Count, Ordinal

from ..errors import SpoolError
from .disk import Disk

STATE_FILE = "state.json"
FILE_LIMIT = receipt.RECEIPT_LIMIT * 2
AT_ONCE = 1000
"""Files taken in one go."""
_NAME = re.compile(r"[0-9a-f]{16}\.receipt")


class Delivered(msgspec.Struct, frozen=True, omit_defaults=True):
    """One delivery: the receipt as the collector sent it, or the report that the data cannot be read."""

    lane: Lane
    seq: Ordinal
    receipt: str | None = None
    unreadable: bool = False


class ShipState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How shipping goes, for status and heartbeats. Times are UTC ns, offset is server minus own clock in ns.

    refused counts statements by refusal code; problem is the last failure in words, None while all is well;
    certificate_days is 30, 7 or 1 once no more days are left and renewal is late.
    """

    time: Count
    delivered: Count = 0
    refused: dict[str, int] = {}
    problem: str | None = None
    stopped: bool = False
    aside: Count = 0
    clock_offset: int | None = None
    certificate_until: Count | None = None
    certificate_days: int | None = None


_delivered = msgspec.json.Decoder(Delivered)
_state = msgspec.json.Decoder(ShipState)


def file_name(number: int) -> str:
    """Return the name of the number-th delivery."""
    return f"{number:016x}.receipt"


def pending(disk: Disk, folder: Path) -> list[str]:
    """Return the names of deliveries in order; whatever else lies there is passed over."""
    return [name for name in disk.names(folder) if _NAME.fullmatch(name)]


def encode(delivered: Delivered) -> bytes:
    """Return a delivery's bytes."""
    return msgspec.json.encode(delivered)


def decode(raw: bytes) -> Delivered:
    """Read a delivery.

    Raises:
        SpoolError: it is too long, no JSON, or lacks a field.
    """
    if len(raw) > FILE_LIMIT:
        raise SpoolError(f"spool: delivery: more than {FILE_LIMIT} bytes")
    try:
        return _delivered.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpoolError(f"spool: delivery: {error}") from error


def encode_state(state: ShipState) -> bytes:
    """Return ship's state as bytes."""
    return msgspec.json.encode(state)


def read_state(disk: Disk, folder: Path) -> ShipState | None:
    """Return ship's state, None where it has not written any that can be read."""
    try:
        return _state.decode(disk.read(folder / STATE_FILE, 0, FILE_LIMIT))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
