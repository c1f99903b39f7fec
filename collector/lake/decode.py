"""One ledger entry as a batch: its statement, its events, and their exact JSON. Decoded once, here."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import repeat
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

from ..ledger.reader import LedgerItem
from .extract import Opaque

STATEMENTS = frozenset({EntryType.BATCH, EntryType.EQUIVOCATION, EntryType.ACT})
"""Entries whose payload is an envelope with a statement."""
Stamps = tuple["array[int]", "array[int]", "array[int]"]
"""seq, time and mono of some events, each 64 bits wide."""
NO_STAMPS: Stamps = (array("q"), array("q"), array("q"))
_FAULTS_KEPT = 10
_PART = 32_768
"""Bytes of NDJSON that are decoded at once."""


class Batch(msgspec.Struct, frozen=True):
    """A statement with what could be read of its data, but for the events themselves.

    texts hold the events as NDJSON as msgspec writes it, stamps their numbers and times. exact has the bytes
    of each event's body where other bytes came, None where text has them.

    state: decoded; partial (some lines are no events); undecodable; absent (no data: dropped or expired);
    evidence (a second statement with the place of an accepted one: kept, never merged). faults say why.
    """

    entry: EntryType
    index: int
    received: int | None
    said: Statement
    digest: str
    state: str
    texts: tuple[bytes, ...] = ()
    exact: tuple[bytes | None, ...] = ()
    faults: tuple[str, ...] = ()
    stamps: tuple[Stamps, ...] = ()


class _Line(msgspec.Struct, frozen=True, gc=False):
    """A line of which only the body's bytes are wanted."""

    body: msgspec.Raw


_lines = msgspec.json.Decoder(_Line)


class Reading:
    """An entry of one of the types in STATEMENTS, read part by part, and then as a whole.

    A part is some dozens of events: while they are worked on they stay in the processor's cache, where a
    thousand would not, which halves what everything after costs.
    """

    def __init__(self, item: LedgerItem) -> None:
        """Open the envelope; its data waits for `parts`.

        Raises:
            EvidenceError: it holds no statement; ingest admits none such.
        """
        opened = dsse.parse(item.payload, statement.PAYLOAD_TYPE)
        self._item = item
        self.said = statement.from_bytes(opened.payload)
        self.digest = statement.digest(opened.payload)
        self._texts: list[bytes] = []
        self._exact: list[bytes | None] = []
        self._stamps: list[Stamps] = []
        self._lines = 0
        self._malformed: list[str] = []
        self._lost = 0
        self._unfit = 0
        self._closed: str | None = None
        self._is_own = True

    def parts(self) -> Iterator[list[Event[Any]]]:
        """Yield the events of the data, some at a time."""
        if self._item.type is EntryType.EQUIVOCATION or not self._item.data:
            return
        try:
            raw = frame.decompress(self._item.data, RAW_LIMIT)
        except (BadFrame, TooLarge) as error:
            self._closed = str(error)
            return
        at = 0
        while at < len(raw):
            end = raw.find(b"\n", at + _PART) + 1 or len(raw)
            yield self._take(raw[at:end])
            at = end

    def _take(self, raw: bytes) -> list[Event[Any]]:
        events: list[Event[Any]] | None = codec.decode_own(raw) if self._is_own else None
        stamps = _stamps(events) if events is not None else None
        if events is None or stamps is None or not (self._item.type is EntryType.ACT or not _has_act(events)):
            self._is_own = False
            return self._take_other(raw)
        self._texts.append(raw)
        self._stamps.append(stamps)
        self._exact.extend(repeat(None, len(events)))
        self._lines += len(events)
        return events

    def _take_other(self, raw: bytes) -> list[Event[Any]]:
        """Take what another client wrote in its own way, or what is no event."""
        decoded = codec.decode(raw)
        if decoded.is_plain:
            events: list[Event[Any]] = decoded.events  # type: ignore[assignment]  # of plain lines all are
            stamps = _stamps(events)
            if stamps is not None and (self._item.type is EntryType.ACT or not _has_act(events)):
                self._store(raw, decoded, events, stamps)
                return events
        return self._take_fit(raw, decoded)

    def _take_fit(self, raw: bytes, decoded: Decoded) -> list[Event[Any]]:
        """Take those lines that are events and may be stored."""
        events = [_event(event) for event in decoded.events]
        exact = _bodies(raw, decoded)
        keep = [at for at, event in enumerate(events) if self._may_be_stored(event)]
        self._unfit += len(events) - len(keep)
        events = [events[at] for at in keep]
        self._store(raw, decoded, events, _stamps(events) or NO_STAMPS, [exact[at] for at in keep])
        return events

    def _may_be_stored(self, event: Event[Any]) -> bool:
        """Tell whether an event may be stored as it is: only the collector itself records acts."""
        is_foreign_act = type(event.body) is Act and self._item.type is not EntryType.ACT
        return not is_foreign_act and _stamps([event]) is not None

    def _store(
        self,
        raw: bytes,
        decoded: Decoded,
        events: list[Event[Any]],
        stamps: Stamps,
        exact: list[bytes] | None = None,
    ) -> None:
        """Keep what the rows of events are made of; exact is known where some lines are left out."""
        text = codec.encode_plain(events)
        if exact is None and text != raw:
            exact = _bodies(raw, decoded)
        self._texts.append(text)
        self._stamps.append(stamps)
        self._exact.extend(exact if exact is not None else repeat(None, len(events)))
        self._note(decoded)
        self._lines += len(events) if decoded.is_plain else raw.count(b"\n")

    def _note(self, decoded: Decoded) -> None:
        self._lost += len(decoded.malformed)
        for bad in decoded.malformed[: _FAULTS_KEPT - len(self._malformed)]:
            self._malformed.append(f"line {self._lines + bad.number}: {bad.reason}")

    def batch(self) -> Batch:
        """Return what was read, once all parts were taken."""
        item, faults = self._item, self._faults()
        if item.type is EntryType.EQUIVOCATION:
            state, faults = "evidence", ()
        elif not item.data:
            state = "absent"
        else:
            state = "decoded" if not faults else "partial" if self._exact else "undecodable"
        return Batch(
            item.type,
            item.index,
            item.received,
            self.said,
            self.digest,
            state,
            tuple(self._texts),
            tuple(self._exact),
            faults,
            tuple(self._stamps),
        )

    def _faults(self) -> tuple[str, ...]:
        if self._closed is not None:
            return (self._closed,)
        faults = list(self._malformed)
        if self._unfit:
            faults.append(
                f"{self._unfit} events have a stamp out of range, or are acts, which no host records"
            )
        found = len(self._exact) + self._lost
        if found != self.said.events and self._item.data and not faults:
            faults.append(f"holds {found} events, the statement says {self.said.events}")
        return tuple(faults)


def _event(event: Event[Any] | Unknown) -> Event[Any]:
    if not isinstance(event, Unknown):
        return event
    if event.known is not None:
        return event.known
    return Event(event.seq, event.time, event.mono, Opaque(event.kind))


def _bodies(raw: bytes, decoded: Decoded) -> list[bytes]:
    """Return the bytes of each event's body as they came, in the order of decoded.events."""
    if not decoded.is_plain:
        bad = {line.number for line in decoded.malformed}
        lines = [
            line for number, line in enumerate(raw.split(b"\n"), 1) if line.strip() and number not in bad
        ]
        return [bytes(_lines.decode(line).body) for line in lines]
    return [bytes(line.body) for line in _lines.decode_lines(raw)]


def _has_act(events: list[Event[Any]]) -> bool:
    return Act in {type(event.body) for event in events}


def _stamps(events: list[Event[Any]]) -> Stamps | None:
    """Return seq, time and mono of events; None where one has more than 64 bits."""
    try:
        return (
            array("q", [event.seq for event in events]),
            array("q", [event.time for event in events]),
            array("q", [event.mono for event in events]),
        )
    except OverflowError:
        return None
