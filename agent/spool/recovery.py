"""Read `out/` after a start: which segments there are, where the chains end, and what is damaged."""

from __future__ import annotations

from pathlib import Path

import msgspec

from evidence import dsse, statement
from evidence.errors import EvidenceError
from evidence.kind import Lane
from evidence.statement import Head, Statement

from ..errors import SpoolError
from . import heads, segment
from .disk import Disk
from .heads import LANES, Heads, Mark
from .segment import ABSENT, ACKED, LOST, Segment, Stored

QUARANTINE_FILES = 8


class Recovered(msgspec.Struct, frozen=True):
    """Segments by lane in order, the heads, and per lane the runs of statements that are lost."""

    segments: dict[Lane, list[Segment]]
    heads: Heads
    generation: int
    damaged: tuple[tuple[Lane, int, int], ...]


def recover(disk: Disk, out: Path, heads_path: Path, quarantine: Path, start: Heads) -> Recovered:
    """Return what the spool holds.

    start are the heads to begin with where no heads file can be read: those of the enrolment, or of the last
    statements acknowledged.

    Raises:
        SpoolError: the spool belongs to another identity.
        OSError: it cannot be read.
    """
    raw = disk.read(heads_path, 0, 2 * heads.SLOT) if disk.size(heads_path) is not None else b""
    stored, generation = heads.decode(raw) or (start, 0)
    if (stored.agent, stored.epoch) != (start.agent, start.epoch):
        raise SpoolError(
            f"{heads_path}: belongs to agent {stored.agent} epoch {stored.epoch}, "
            "not to this identity; run `vedette-agent reset-identity`"
        )
    segments: dict[Lane, list[Segment]] = {"priority": [], "bulk": []}
    for text in disk.names(out):
        name = segment.parse_name(text)
        if name is not None and name.suffix != segment.DATA:
            _load(disk, out, name, quarantine, segments[name.lane])
    _remove_orphans(disk, out, segments)
    now = stored
    damaged: tuple[tuple[Lane, int, int], ...] = ()
    for lane in LANES:
        segments[lane].sort(key=lambda part: part.first)
        now = _follow(disk, segments[lane], now, lane)
        segments[lane] = _drop_below_floor(disk, segments[lane], now.mark(lane).floor)
        damaged += tuple((lane, first, last) for first, last in _holes(segments[lane], now.mark(lane)))
    return Recovered(segments, now, generation, damaged)


def _load(disk: Disk, out: Path, name: segment.Name, quarantine: Path, parts: list[Segment]) -> None:
    """Add one segment; a file without a single whole statement goes to quarantine."""
    part = Segment(out, name.lane, name.first)
    part.done = name.suffix == segment.DONE
    path = part.done_path if part.done else part.statements_path
    part.statement_bytes = disk.size(path) or 0
    part.data_bytes = disk.size(part.data_path) or 0
    for offset, stored in segment.statements(disk, path):
        if stored.seq > part.last and stored.seq < part.first + segment.STATEMENT_BYTES:
            part.add(stored.seq, offset, ACKED if part.done else _data_flag(part, stored))
    if part.offsets:
        parts.append(part)
        return
    kept = [each for each in disk.names(quarantine) if not each.startswith(".")]
    for each in kept[: max(0, len(kept) - QUARANTINE_FILES + 1)]:
        disk.remove(quarantine / each)
    disk.rename(path, quarantine / path.name)


def _data_flag(part: Segment, stored: Stored) -> int:
    """Return LOST for a statement whose data is not there; reading alone tells whether it is whole."""
    if not stored.data_length:
        said = read_header(stored.envelope)
        return LOST if said is not None and said.length else 0
    return LOST if stored.data_offset + stored.data_length > part.data_bytes else 0


def read_header(envelope: bytes) -> Statement | None:
    """Return the statement in an envelope of our own, None if it does not parse."""
    try:
        return statement.from_bytes(dsse.parse(envelope, statement.PAYLOAD_TYPE).payload)
    except EvidenceError:
        return None


def _remove_orphans(disk: Disk, out: Path, segments: dict[Lane, list[Segment]]) -> None:
    """Delete data without statements: its batch was never acknowledged to anybody."""
    live = {part.data_path.name for parts in segments.values() for part in parts if not part.done}
    for text in disk.names(out):
        name = segment.parse_name(text)
        if name is not None and name.suffix == segment.DATA and text not in live:
            disk.remove(out / text)


def _follow(disk: Disk, parts: list[Segment], now: Heads, lane: Lane) -> Heads:
    """Move a lane's head over statements that became durable just before a crash.

    They were never sent, since ship stops at the head; adopting them keeps one hash for one number.
    """
    for part in parts:
        path = part.done_path if part.done else part.statements_path
        for seq in range(max(part.first, now.mark(lane).head.seq + 1), part.last + 1):
            if part.flag(seq) & ABSENT:
                continue
            envelope = segment.read_statement(disk, path, part.offset(seq)).envelope
            said = read_header(envelope)
            if said is None or said.seq != seq:
                continue
            payload = dsse.parse(envelope, statement.PAYLOAD_TYPE).payload
            last = max(now.mark(lane).event_seq, said.last_seq or 0)
            mark = Mark(Head(seq, statement.digest(payload)), now.mark(lane).floor, last)
            now = msgspec.structs.replace(
                now.with_mark(lane, mark),
                event_seq=max(now.event_seq, said.last_seq or 0),
                sent=max(now.sent or 0, said.sent),
            )
    return now


def _drop_below_floor(disk: Disk, parts: list[Segment], floor: int) -> list[Segment]:
    """Delete segments that were acknowledged and only half deleted."""
    for part in parts:
        if part.last <= floor:
            for path in (part.data_path, part.statements_path, part.done_path):
                disk.remove(path)
    return [part for part in parts if part.last > floor]


def _holes(parts: list[Segment], mark: Mark) -> list[tuple[int, int]]:
    """Return the runs of sequence numbers between floor and head that no segment holds."""
    found: list[tuple[int, int]] = []
    expected = mark.floor + 1
    for part in parts:
        if part.first > expected:
            found.append((expected, part.first - 1))
        found.extend(part.runs(ABSENT, ABSENT))
        expected = max(expected, part.last + 1)
    if mark.head.seq >= expected:
        found.append((expected, mark.head.seq))
    return found
