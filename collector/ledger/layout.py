"""Names of the ledger's files, and the two framings in them: entry bundles and data records. Pure.

Entries are framed as C2SP tlog-tiles frames its entry bundles (https://c2sp.org/tlog-tiles): u16 big-endian
length, entry. A segment is 16 bundles one after another, so each bundle is a slice of its segment's file.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator

import msgspec

BUNDLE = 256
"""Entries of a full bundle, and hashes of a full tile."""
SEGMENT = 16 * BUNDLE
"""Entries of a full segment."""

LOCK = "lock"
SLOTS = "checkpoints"
"""The newest two signed checkpoints, each in its own 4 KiB block; written in turn and synced."""
PUBLISHED = "checkpoint"
"""The newest checkpoint that is durable, for readers; not itself synced."""
VERIFIER_KEY = "vkey"

_ENTRY = struct.Struct(">H")
_RECORD = struct.Struct(">4sQQII")
_MAGIC = b"VDR1"
RECORD_HEADER = _RECORD.size


class DataHeader(msgspec.Struct, frozen=True):
    """What stands before each entry's data: its leaf index, receive time (UTC ns), length and checksum.

    checksum is the CRC-32 of the fields before it and the data's SHA-256, which a statement already holds.
    """

    index: int
    received: int
    length: int
    checksum: int

    def fits(self, data_sha256: bytes) -> bool:
        """Tell whether header and data are what was written."""
        return self.checksum == _checksum(self.index, self.received, self.length, data_sha256)


def entries_name(segment: int) -> str:
    """Return the path of a segment's entries below the ledger's folder."""
    return f"entries/{segment:09d}"


def data_name(segment: int) -> str:
    """Return the path of a segment's data below the ledger's folder."""
    return f"data/{segment:09d}"


def frame_entry(entry: bytes) -> bytes:
    """Return an entry as it stands in a bundle."""
    return _ENTRY.pack(len(entry)) + entry


def walk_entries(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (end offset, entry) of each complete entry in raw; a torn one at the end is not yielded."""
    at = 0
    while at + _ENTRY.size <= len(raw):
        end = at + _ENTRY.size + _ENTRY.unpack_from(raw, at)[0]
        if end > len(raw):
            return
        yield end, raw[at + _ENTRY.size : end]
        at = end


def frame_header(index: int, received: int, length: int, data_sha256: bytes) -> bytes:
    """Return the header that stands before an entry's data."""
    checksum = _checksum(index, received, length, data_sha256)
    return _RECORD.pack(_MAGIC, index, received, length, checksum)


def read_header(raw: bytes) -> DataHeader | None:
    """Return the header that raw begins with, None if it is none."""
    if len(raw) < RECORD_HEADER:
        return None
    magic, index, received, length, checksum = _RECORD.unpack_from(raw)
    return DataHeader(index, received, length, checksum) if magic == _MAGIC else None


def find_header(raw: bytes, start: int) -> int:
    """Return where the next header may begin at or after start, -1 if nowhere: for a damaged file."""
    return raw.find(_MAGIC, start)


def _checksum(index: int, received: int, length: int, data_sha256: bytes) -> int:
    return zlib.crc32(_RECORD.pack(_MAGIC, index, received, length, 0)[:-4] + data_sha256)


def sha256(data: bytes) -> bytes:
    """Return the raw SHA-256 of data."""
    return hashlib.sha256(data).digest()
