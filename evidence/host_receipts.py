"""What a host hands to an auditor: its receipts and the checkpoints it verified itself, as JSON lines.

``vedette-agent receipts export`` writes it, ``vedette verify --trust`` reads it. The first line of each host
is its ``host``; checkpoints and receipts that follow are that host's.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from . import strict
from .errors import CodecError
from .kind import Lane
from .statement import AgentId, Count, Hash, Head, Ordinal

LINE_LIMIT = 32_768
"""Bytes of a line."""


class Host(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="host"):
    """Whose receipts follow: agent, epoch, raw signing key (hex), the ledger's vkey, UTC ns of export.

    entry is the enrolment entry's digest, heads the newest statement of each lane, alarm what the host holds
    against the ledger.
    """

    agent: AgentId
    epoch: Ordinal
    public: Hash
    ledger_key: str
    exported: Count
    entry: Hash | None = None
    heads: dict[Lane, Head] = {}
    alarm: str | None = None


class Note(msgspec.Struct, frozen=True, tag_field="type", tag="checkpoint"):
    """A signed checkpoint that the host verified at time (UTC ns)."""

    time: Count
    note: str


class Acknowledged(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="receipt"):
    """A statement that the collector acknowledged at time (UTC ns): its digest, leaf index and tree size.

    log names the log it stood in, where that was restored from a backup since and lost it.
    """

    time: Count
    lane: Lane
    seq: Ordinal
    digest: Hash
    index: Count
    size: Count
    log: str | None = None


class HostReceipts(msgspec.Struct, frozen=True):
    """One host's lines."""

    host: Host
    notes: tuple[Note, ...]
    receipts: tuple[Acknowledged, ...]


_decoder: msgspec.json.Decoder[Host | Note | Acknowledged] = msgspec.json.Decoder(Host | Note | Acknowledged)


def encode(lines: Iterable[Host | Note | Acknowledged]) -> bytes:
    """Return the lines as a file's content."""
    return msgspec.json.Encoder().encode_lines(list(lines))


def decode(raw: bytes) -> list[HostReceipts]:
    """Read the receipts of one or several hosts.

    Raises:
        CodecError: a line is too long, of no known type, or stands before its host; the message says which.
    """
    found: list[tuple[Host, list[Note], list[Acknowledged]]] = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if not line.strip():
            continue
        item = _line(line, number)
        if isinstance(item, Host):
            found.append((item, [], []))
        elif not found:
            raise CodecError(f"receipts, line {number}: stands before the first host")
        elif isinstance(item, Note):
            found[-1][1].append(item)
        else:
            found[-1][2].append(item)
    return [HostReceipts(host, tuple(notes), tuple(receipts)) for host, notes, receipts in found]


def _line(line: bytes, number: int) -> Host | Note | Acknowledged:
    if len(line) > LINE_LIMIT:
        raise CodecError(f"receipts, line {number}: {len(line)} bytes, at most {LINE_LIMIT}")
    return strict.decode(_decoder, line, f"receipts, line {number}")
