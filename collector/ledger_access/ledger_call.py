"""What is said over the socket of the process that owns the ledger: u32 length, then msgpack, both ways."""

from __future__ import annotations

import struct

import msgspec

from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.kinds.collector import Act
from evidence.receipt import Receipt
from evidence.refusal import Code

FRAME_LIMIT = 1 << 20
"""Bytes of one call or answer."""
HEADER = struct.Struct(">I")


class Append(msgspec.Struct, frozen=True, tag="append"):
    """Append an entry that holds no statement."""

    kind: EntryType
    payload: bytes


class Record(msgspec.Struct, frozen=True, tag="record"):
    """Seal and append an act."""

    act: Act


class Checkpoint(msgspec.Struct, frozen=True, tag="checkpoint"):
    """Ask for the newest signed checkpoint."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It is durable."""

    receipt: Receipt


class Note(msgspec.Struct, frozen=True, tag="note"):
    """The newest signed checkpoint."""

    note: bytes


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It was not done, and why. invalid: what was asked is wrong, and asking again is no use."""

    code: Code
    message: str
    invalid: bool = False


Call = Append | Record | Checkpoint
Answer = Done | Note | Failed

_calls: msgspec.msgpack.Decoder[Call] = msgspec.msgpack.Decoder(Call)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Call | Answer) -> bytes:
    """Return a call or answer as it is sent.

    Raises:
        CodecError: it is too long.
    """
    raw = msgspec.msgpack.encode(message)
    check_length(len(raw))
    return HEADER.pack(len(raw)) + raw


def check_length(length: int) -> None:
    """Refuse a frame that is too long.

    Raises:
        CodecError: it is.
    """
    if length > FRAME_LIMIT:
        raise CodecError(f"ledger socket: a message of {length} bytes, at most {FRAME_LIMIT}")


def read_call(raw: bytes) -> Call:
    """Read a call.

    Raises:
        CodecError: it is none.
    """
    try:
        return _calls.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"ledger socket: {error}") from error


def read_answer(raw: bytes) -> Answer:
    """Read an answer.

    Raises:
        CodecError: it is none.
    """
    try:
        return _answers.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"ledger socket: {error}") from error
