"""One ledger entry as a batch: its statement, its events, and each event's exact JSON. Decoded once, here."""

from __future__ import annotations

from typing import Any

import msgspec

from evidence import codec, dsse, frame, statement
from evidence.codec import Decoded, Unknown
from evidence.entry import EntryType
from evidence.errors import BadFrame, TooLarge
from evidence.event import Event
from evidence.seal import RAW_LIMIT
from evidence.statement import Statement

from .extract import Opaque
from .ledger.reader import LedgerItem

STATEMENTS = frozenset({EntryType.BATCH, EntryType.EQUIVOCATION, EntryType.ACT})
"""Entries whose payload is an envelope with a statement."""
_INT64 = 1 << 63
_FAULTS_KEPT = 10


class Batch(msgspec.Struct, frozen=True):
    """A statement with what could be read of its data. bodies holds the JSON of each event's body.

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
    bodies: list[bytes] = []
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
    bodies = _bodies(raw, decoded)
    faults = [f"line {bad.number}: {bad.reason}" for bad in decoded.malformed[:_FAULTS_KEPT]]
    if not _stamps_fit(events):
        keep = [at for at, event in enumerate(events) if _stamps_fit([event])]
        faults.append(f"{len(events) - len(keep)} events have a seq, time or mono out of range")
        events, bodies = [events[at] for at in keep], [bodies[at] for at in keep]
    if len(events) + len(decoded.malformed) != batch.said.events and not faults:
        faults.append(f"holds {len(events)} events, the statement says {batch.said.events}")
    state = "decoded" if not faults else "partial" if events else "undecodable"
    return msgspec.structs.replace(batch, state=state, events=events, bodies=bodies, faults=tuple(faults))


def _event(event: Event[Any] | Unknown) -> Event[Any]:
    if not isinstance(event, Unknown):
        return event
    if event.known is not None:
        return event.known
    return Event(event.seq, event.time, event.mono, Opaque(event.kind))


def _bodies(raw: bytes, decoded: Decoded) -> list[bytes]:
    """Return the exact JSON of each event's body, in the order of decoded.events."""
    if decoded.malformed or any(isinstance(event, Unknown) for event in decoded.events):
        bad = {line.number for line in decoded.malformed}
        lines = [
            line for number, line in enumerate(raw.split(b"\n"), 1) if line.strip() and number not in bad
        ]
        return [bytes(_lines.decode(line).body) for line in lines]
    raws = [line.body for line in _lines.decode_lines(raw)]
    # One copy for all is three times as fast as one for each; JSON text has no raw newline of its own,
    # unless somebody spread a body over lines, and then the count tells.
    joined = b"\n".join(raws).split(b"\n") if raws else []
    return joined if len(joined) == len(raws) else [bytes(body) for body in raws]


def _stamps_fit(events: list[Event[Any]]) -> bool:
    if not events:
        return True
    stamps = (
        [event.seq for event in events],
        [event.time for event in events],
        [event.mono for event in events],
    )
    return all(min(values) >= -_INT64 and max(values) < _INT64 for values in stamps)
