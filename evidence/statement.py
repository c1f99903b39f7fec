"""The signed header of one batch: who sealed which bytes, and where they stand in the lane's chain."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from . import strict
from .kind import Lane

PAYLOAD_TYPE = "application/vnd.vedette.statement.v1+json"
CODEC = "ndjson+zstd"

Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
AgentId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Ordinal = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
Short = Annotated[str, msgspec.Meta(max_length=64)]


class Head(msgspec.Struct, frozen=True):
    """The last statement of a lane: its sequence number and SHA-256."""

    seq: Count
    hash: Hash


class Seen(msgspec.Struct, frozen=True):
    """The newest checkpoint that watch itself verified."""

    size: Count
    root: Hash


class Loss(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events that are not in any batch: by cause, with counts by class and the interval in UTC ns.

    first and last are event sequence numbers, where numbers had been given before the loss.
    """

    cause: Short
    from_: Count | None = msgspec.field(name="from", default=None)
    to: Count | None = None
    counts: dict[Short, Count] = {}
    first: Ordinal | None = None
    last: Ordinal | None = None


class Dropped(msgspec.Struct, frozen=True):
    """Data given up after sealing: statements first to last of lane keep their place, their data is gone."""

    lane: Lane
    first: Ordinal
    last: Ordinal
    cause: Short


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What watch signs for each batch. Times are UTC ns, mono is ns since boot, hashes lower-case hex.

    prev is the SHA-256 of the lane's previous statement; for seq 1 that of the enrolment or rotation entry.
    Fields that a newer version added stay in the signed bytes and are ignored here.
    """

    agent: AgentId
    epoch: Ordinal
    lane: Lane
    seq: Ordinal
    prev: Hash
    other: Head
    boot: Short
    sent: Count
    mono: Count
    codec: Short
    sha256: Hash
    length: Count
    raw_length: Count
    events: Count
    version: Short
    first_time: Count | None = None
    last_time: Count | None = None
    first_seq: Ordinal | None = None
    last_seq: Ordinal | None = None
    loss: tuple[Loss, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    seen: Seen | None = None


_decoder = msgspec.json.Decoder(Statement)


def to_bytes(statement: Statement) -> bytes:
    """Return the exact bytes to be signed."""
    return msgspec.json.encode(statement)


def from_bytes(payload: bytes) -> Statement:
    """Read a statement.

    Raises:
        CodecError: a field is missing, there twice, of the wrong type or out of range; the message names it.
    """
    return strict.decode(_decoder, payload, "statement")


def digest(payload: bytes) -> str:
    """Return a statement's identity: the hex SHA-256 of its exact bytes."""
    return hashlib.sha256(payload).hexdigest()
