"""One lane's run of statements in a file, and beside it the encrypted data they sign.

``<lane>-<first seq, 16 hex>.statements``: records numbered by sequence; body = u64 offset and u32 length of
the data record (length 0: no data) and the envelope. ``….data``: a record with the wrapped key, then one
record a batch. Data can be given up by deleting its file alone, so statements stay whole. ``….done`` is a
statements file whose every statement was acknowledged, kept until all before it in the lane are.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec

from evidence import dsse, seal
from evidence.kind import Lane

from ..errors import SpoolError
from . import cipher, record
from .disk import Disk
from .heads import LANES

STATEMENT_MAGIC = b"VDS1"
KEY_MAGIC = b"VDK1"
DATA_MAGIC = b"VDD1"
STATEMENTS, DATA, DONE = ".statements", ".data", ".done"
STATEMENT_BYTES = 1 << 20
"""A statements file is closed at this length."""
_PLACE = struct.Struct(">QI")
STATEMENT_RECORD_LIMIT = record.OVERHEAD + _PLACE.size + dsse.ENVELOPE_LIMIT
DATA_RECORD_LIMIT = record.OVERHEAD + seal.DATA_LIMIT + 16
_READ_LIMIT = STATEMENT_BYTES + (1 << 16)
_NAME = re.compile(r"(priority|bulk)-([0-9a-f]{16})(\.statements|\.data|\.done)")

ACKED = 1
"""Flag of a statement: its receipt was verified."""
LOST = 2
"""Flag of a statement: its data was given up or is damaged."""
ABSENT = 4
"""Flag of a sequence number: the statement itself is damaged."""


class Name(msgspec.Struct, frozen=True):
    """What a file name in `out/` says."""

    lane: Lane
    first: int
    suffix: str

    def __str__(self) -> str:
        """Return the file name."""
        return f"{self.lane}-{self.first:016x}{self.suffix}"


class Stored(msgspec.Struct, frozen=True):
    """A statement as it lies in a segment: its sequence, envelope, and where its data is (length 0: none)."""

    seq: int
    envelope: bytes
    data_offset: int
    data_length: int


def parse_name(text: str) -> Name | None:
    """Return what a file name says, None for a file that is no segment's."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    lane = LANES[0] if match[1] == LANES[0] else LANES[1]
    return Name(lane, int(match[2], 16), match[3])


def encode_statement(stored: Stored) -> bytes:
    """Return a statement's record."""
    body = _PLACE.pack(stored.data_offset, stored.data_length) + stored.envelope
    return record.encode(STATEMENT_MAGIC, stored.seq, body)


def decode_statement(found: record.Record) -> Stored:
    """Return the statement of a record.

    Raises:
        SpoolError: the record is shorter than its fixed part.
    """
    if len(found.body) < _PLACE.size:
        raise SpoolError(f"spool: statement {found.number}: record of {len(found.body)} bytes")
    offset, length = _PLACE.unpack_from(found.body)
    return Stored(found.number, found.body[_PLACE.size :], offset, length)


def statements(disk: Disk, path: Path) -> Iterator[tuple[int, Stored]]:
    """Yield (offset in the file, statement) of every whole record; damage is passed over."""
    for item in record.scan(disk.read(path, 0, _READ_LIMIT), STATEMENT_MAGIC):
        if isinstance(item, record.Record) and len(item.body) >= _PLACE.size:
            yield item.offset, decode_statement(item)


def read_statement(disk: Disk, path: Path, offset: int) -> Stored:
    """Return the statement at offset.

    Raises:
        SpoolError: there is no whole record any more.
    """
    found = record.decode(disk.read(path, offset, STATEMENT_RECORD_LIMIT), STATEMENT_MAGIC)
    if found is None:
        raise SpoolError(f"spool: {path.name}: damaged at byte {offset}")
    return decode_statement(found)


def read_key(disk: Disk, path: Path, spool_key: bytes) -> bytes:
    """Return the key of a data file.

    Raises:
        SpoolError: its head is damaged or belongs to another spool key.
    """
    head = record.decode(disk.read(path, 0, record.OVERHEAD + cipher.WRAPPED_BYTES), KEY_MAGIC)
    if head is None:
        raise SpoolError(f"spool: {path.name}: its head is damaged")
    return cipher.unwrap(head.body, spool_key, path.name)


def read_data(disk: Disk, path: Path, spool_key: bytes, stored: Stored) -> bytes:
    """Return a statement's data, decrypted; empty where there is none on purpose.

    Raises:
        SpoolError: it is damaged.
        OSError: the file is gone or cannot be read.
    """
    if not stored.data_length:
        return b""
    return read_with_key(disk, path, read_key(disk, path, spool_key), stored)


def read_with_key(disk: Disk, path: Path, key: bytes, stored: Stored) -> bytes:
    """Return a statement's data, with the data file's own key already unwrapped; raises as `read_data`."""
    found = record.decode(
        disk.read(path, stored.data_offset, min(stored.data_length, DATA_RECORD_LIMIT)), DATA_MAGIC
    )
    if found is None:
        raise SpoolError(f"spool: {path.name}: damaged at byte {stored.data_offset}")
    return cipher.decrypt(key, found.number, found.body)


class Segment:
    """What watch knows of one segment: where each statement lies, and what became of it."""

    def __init__(self, folder: Path, lane: Lane, first: int) -> None:
        """Name the segment whose first statement is `first`."""
        self.lane = lane
        self.first = first
        self.statements_path = folder / str(Name(lane, first, STATEMENTS))
        self.data_path = folder / str(Name(lane, first, DATA))
        self.done_path = folder / str(Name(lane, first, DONE))
        self.offsets = array("Q")
        self.flags = bytearray()
        self.statement_bytes = 0
        self.data_bytes = 0
        self.done = False

    @property
    def last(self) -> int:
        """The last sequence number; first - 1 while empty."""
        return self.first + len(self.offsets) - 1

    @property
    def bytes(self) -> int:
        """What the segment takes on disk."""
        return self.statement_bytes + self.data_bytes

    @property
    def settled(self) -> bool:
        """Whether no statement waits for its receipt any more."""
        return not self.waiting

    @property
    def waiting(self) -> int:
        """Statements without a verified receipt."""
        return self.flags.count(0) + self.flags.count(LOST)

    def add(self, seq: int, offset: int, flag: int = 0) -> None:
        """Note a statement at offset; numbers in between are absent."""
        while self.last + 1 < seq:
            self.offsets.append(0)
            self.flags.append(ABSENT)
        self.offsets.append(offset)
        self.flags.append(flag)

    def flag(self, seq: int) -> int:
        """Return the flags of a statement; ABSENT for one that is not here."""
        return self.flags[seq - self.first] if self.first <= seq <= self.last else ABSENT

    def mark(self, seq: int, flag: int) -> None:
        """Set a flag of a statement that is here."""
        self.flags[seq - self.first] |= flag

    def clear(self, seq: int, flag: int) -> None:
        """Take a flag back."""
        self.flags[seq - self.first] &= ~flag

    def offset(self, seq: int) -> int:
        """Return where a statement lies."""
        return self.offsets[seq - self.first]

    def runs(self, wanted: int, of: int) -> Iterator[tuple[int, int]]:
        """Yield (first, last) of each run of statements whose flags, masked by `of`, equal wanted."""
        start: int | None = None
        for seq in range(self.first, self.last + 2):
            fits = seq <= self.last and self.flags[seq - self.first] & of == wanted
            if fits and start is None:
                start = seq
            elif not fits and start is not None:
                yield start, seq - 1
                start = None
