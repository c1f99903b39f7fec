"""Seal a batch into a signed statement and one compressed frame, and open it again."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Sequence
from typing import Protocol

import msgspec

from . import codec, dsse, frame, statement
from .errors import BadDigest, CodecError, TooLarge
from .event import Event
from .keys import Signer
from .kind import Body, Lane
from .statement import Dropped, Head, Loss, Seen, Statement

DATA_LIMIT = 2 << 20
"""Bytes of compressed data in one request."""
RAW_LIMIT = 16 << 20
"""Bytes of data after decompression."""
_LENGTH = struct.Struct(">I")


class Place(msgspec.Struct, frozen=True):
    """Where the next statement stands: its agent, epoch and lane, and the heads of both lanes.

    lane_head.seq is 0, and its hash that of the enrolment or rotation entry, before the first statement.
    """

    agent: str
    epoch: int
    lane: Lane
    lane_head: Head
    other_head: Head


class Circumstances(msgspec.Struct, frozen=True):
    """What else a statement says: boot id, time (UTC ns), mono (ns), version, losses, last checkpoint."""

    boot: str
    time: int
    mono: int
    version: str
    loss: tuple[Loss, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    seen: Seen | None = None


class SealedBatch(msgspec.Struct, frozen=True):
    """A statement, the envelope that signs it, its digest, and the compressed data (empty if dropped)."""

    statement: Statement
    digest: str
    envelope: bytes
    data: bytes

    @property
    def head(self) -> Head:
        """What the lane's next statement quotes as prev."""
        return Head(self.statement.seq, self.digest)


class Line(Protocol):
    """An encoded event: its line without an end, its number, its time (UTC ns)."""

    @property
    def line(self) -> bytes:
        """The line."""
        ...

    @property
    def seq(self) -> int:
        """The number."""
        ...

    @property
    def time(self) -> int:
        """The time."""
        ...


class _Line(msgspec.Struct, frozen=True, gc=False):
    line: bytes
    seq: int
    time: int


def seal(events: Sequence[Event[Body]], place: Place, around: Circumstances, signer: Signer) -> SealedBatch:
    """Return events as the lane's next sealed batch.

    Raises:
        TooLarge: the data or the envelope would exceed its limit.
    """
    lines = [_Line(codec.encode_line(event), event.seq, event.time) for event in events]
    return seal_lines(lines, place, around, signer)


def seal_lines(events: Sequence[Line], place: Place, around: Circumstances, signer: Signer) -> SealedBatch:
    """Return events that are encoded already as the lane's next sealed batch.

    Raises:
        TooLarge: the data or the envelope would exceed its limit.
    """
    raw = b"\n".join([*[event.line for event in events], b""])
    data = frame.compress(raw)
    if len(raw) > RAW_LIMIT or len(data) > DATA_LIMIT:
        raise TooLarge(
            f"batch: {len(raw)} bytes, {len(data)} compressed; at most {RAW_LIMIT} and {DATA_LIMIT}"
        )
    times, numbers = [event.time for event in events], [event.seq for event in events]
    said = Statement(
        agent=place.agent,
        epoch=place.epoch,
        lane=place.lane,
        seq=place.lane_head.seq + 1,
        prev=place.lane_head.hash,
        other=place.other_head,
        boot=around.boot,
        sent=around.time,
        mono=around.mono,
        codec=statement.CODEC,
        sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
        raw_length=len(raw),
        events=len(events),
        version=around.version,
        first_time=min(times, default=None),
        last_time=max(times, default=None),
        first_seq=min(numbers, default=None),
        last_seq=max(numbers, default=None),
        loss=around.loss,
        dropped=around.dropped,
        seen=around.seen,
    )
    payload = statement.to_bytes(said)
    envelope = dsse.encode(payload, statement.PAYLOAD_TYPE, signer)
    return SealedBatch(said, statement.digest(payload), envelope, data)


def request_body(envelope: bytes, data: bytes) -> bytes:
    """Return what is posted: u32 big-endian length of the envelope, the envelope, the data frame.

    data is empty for a statement whose data was given up; a later statement's `dropped` must cover it.
    """
    return _LENGTH.pack(len(envelope)) + envelope + data


def split_request(body: bytes) -> tuple[bytes, bytes]:
    """Return (envelope, data) of a posted body.

    Raises:
        CodecError: it is shorter than it says.
        TooLarge: envelope or data exceed their limits.
    """
    if len(body) < _LENGTH.size:
        raise CodecError(f"request: {len(body)} bytes, too short for a length")
    (length,) = _LENGTH.unpack_from(body)
    if length > dsse.ENVELOPE_LIMIT:
        raise TooLarge(f"envelope: {length} bytes, at most {dsse.ENVELOPE_LIMIT}")
    if len(body) < _LENGTH.size + length:
        raise CodecError(
            f"request: the envelope has {length} bytes, the body only {len(body) - _LENGTH.size}"
        )
    data = body[_LENGTH.size + length :]
    if len(data) > DATA_LIMIT:
        raise TooLarge(f"data: {len(data)} bytes, at most {DATA_LIMIT}")
    return body[_LENGTH.size : _LENGTH.size + length], data


def check_data(said: Statement, data: bytes) -> None:
    """Check that data is what the statement signed; nothing is decompressed.

    Raises:
        BadDigest: hash or length differ.
        TooLarge: the declared size after decompression is above RAW_LIMIT.
        BadFrame: not exactly one zstd frame, or its size is not the signed one.
    """
    if len(data) != said.length:
        raise BadDigest(f"data: {len(data)} bytes, the statement says {said.length}")
    if not hmac.compare_digest(hashlib.sha256(data).hexdigest(), said.sha256):
        raise BadDigest("data: its SHA-256 is not the signed one")
    if said.raw_length > RAW_LIMIT:
        raise TooLarge(f"data: {said.raw_length} bytes after decompression, at most {RAW_LIMIT}")
    size = frame.declared_size(data)
    if size != said.raw_length:
        raise BadDigest(f"data: its frame declares {size} bytes, the statement {said.raw_length}")


def unseal(envelope: bytes, data: bytes, public: bytes) -> tuple[SealedBatch, codec.Decoded]:
    """Verify a sealed batch and decode its events.

    Raises:
        EvidenceError: any of its kinds, by what was wrong first.
    """
    opened = dsse.parse(envelope, statement.PAYLOAD_TYPE)
    dsse.check(opened, public)
    said = statement.from_bytes(opened.payload)
    batch = SealedBatch(said, statement.digest(opened.payload), envelope, data)
    if not data:
        return batch, codec.Decoded([], [])
    check_data(said, data)
    return batch, codec.decode(frame.decompress(data, RAW_LIMIT))
