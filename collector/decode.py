"""One ledger entry as a batch: its statement, its events, and their exact JSON. Decoded once, here."""

from __future__ import annotations

from typing import Any

import msgspec

from evidence import codec, dsse, frame, statement
from evidence.codec import Decoded, Unknown
from evidence.entry import EntryType
from evidence.errors import BadFrame, TooLarge
from evidence.event import Event
from evidence.kinds.collector import Act
from evidence.seal import RAW_LIMIT
from evidence.statement import Statement

from .extract import Opaque
from .ledger.reader import LedgerItem

STATEMENTS = frozenset({EntryType.BATCH, EntryType.EQUIVOCATION, EntryType.ACT})
"""Entries whose payload is an envelope with a statement."""
_INT64 = 1 << 63
_FAULTS_KEPT = 10


class Batch(msgspec.Struct, frozen=True):
    """A statement with what could be read of its data.

    text holds the events as NDJSON as msgspec writes it. Where other bytes came, exact has those of each
    event's body; else it is empty.

    state: decoded; partial (some lines are no events); undecodable; absent (no data: dropped or expired);
    evidence (a second statement with the place of an accepted one: kept, never merged). faults say why.
    """

    entry: EntryType
    index: int
    received: int | None
    said: Statement
    digest: str
    state: str
    events: list[Event[Any]] = []
    text: bytes = b""
    exact: list[bytes] = []
    faults: tuple[str, ...] = ()


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A line of which only the body's bytes are wanted."""

    body: msgspec.Raw


_lines = msgspec.json.Decoder(_Line)


def decode(item: LedgerItem) -> Batch:
    """Read an entry of one of the types in STATEMENTS.

    Raises:
        EvidenceError: its envelope holds no statement; ingest admits none such.
    """
    opened = dsse.parse(item.payload, statement.PAYLOAD_TYPE)
    said = statement.from_bytes(opened.payload)
    batch = Batch(item.type, item.index, item.received, said, statement.digest(opened.payload), "evidence")
    if item.type is EntryType.EQUIVOCATION:
        return batch
    if not item.data:
        return msgspec.structs.replace(batch, state="absent")
    try:
        raw = frame.decompress(item.data, RAW_LIMIT)
    except (BadFrame, TooLarge) as error:
        return msgspec.structs.replace(batch, state="undecodable", faults=(str(error),))
    return _fill(batch, raw)


def _fill(batch: Batch, raw: bytes) -> Batch:
    decoded = codec.decode(raw)
    events: list[Event[Any]] = [_event(event) for event in decoded.events]
    exact = None if _is_plain(decoded) else _bodies(raw, decoded)
    faults = [f"line {bad.number}: {bad.reason}" for bad in decoded.malformed[:_FAULTS_KEPT]]
    if not _all_fit(batch.entry, events):
        exact = exact or _bodies(raw, decoded)
        keep = [at for at, event in enumerate(events) if _all_fit(batch.entry, [event])]
        faults.append(
            f"{len(events) - len(keep)} events have a stamp out of range, or are acts, which no host records"
        )
        events, exact = [events[at] for at in keep], [exact[at] for at in keep]
    text = codec.encode(events)
    if exact is None and text != raw:
        exact = _bodies(raw, decoded)
    if len(events) + len(decoded.malformed) != batch.said.events and not faults:
        faults.append(f"holds {len(events)} events, the statement says {batch.said.events}")
    return msgspec.structs.replace(
        batch,
        state="decoded" if not faults else "partial" if events else "undecodable",
        events=events,
        text=text,
        exact=exact or [],
        faults=tuple(faults),
    )


def _is_plain(decoded: Decoded) -> bool:
    """Tell whether all lines were events of this version, so that they may be what msgspec would write."""
    return not decoded.malformed and not any(isinstance(event, Unknown) for event in decoded.events)


def _event(event: Event[Any] | Unknown) -> Event[Any]:
    if not isinstance(event, Unknown):
        return event
    if event.known is not None:
        return event.known
    return Event(event.seq, event.time, event.mono, Opaque(event.kind))


def _bodies(raw: bytes, decoded: Decoded) -> list[bytes]:
    """Return the bytes of each event's body as they came, in the order of decoded.events."""
    if not _is_plain(decoded):
        bad = {line.number for line in decoded.malformed}
        lines = [
            line for number, line in enumerate(raw.split(b"\n"), 1) if line.strip() and number not in bad
        ]
        return [bytes(_lines.decode(line).body) for line in lines]
    return [bytes(line.body) for line in _lines.decode_lines(raw)]


def _all_fit(entry: EntryType, events: list[Event[Any]]) -> bool:
    """Tell whether every event may be stored as it is: only the collector itself records acts."""
    if entry is not EntryType.ACT and Act in {type(event.body) for event in events}:
        return False
    return _stamps_fit(events)


def _stamps_fit(events: list[Event[Any]]) -> bool:
    if not events:
        return True
    stamps = (
        [event.seq for event in events],
        [event.time for event in events],
        [event.mono for event in events],
    )
    return all(min(values) >= -_INT64 and max(values) < _INT64 for values in stamps)
