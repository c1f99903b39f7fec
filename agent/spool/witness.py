"""The host's memory of the ledger: the newest verified checkpoint, 90 days of them, and receipts.

``known.json``: newest note, acknowledged heads, alarm. ``<time>.checkpoints``: signed notes, one a minute at
most. ``<time>.receipts``: lane, seq, leaf index, tree size and digest of each acknowledged statement, bounded
by bytes: the chain proves what is older. All of it is watch's alone.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from evidence import checkpoint, dsse, statement
from evidence.checkpoint import VerifierKey
from evidence.errors import BadCheckpoint, EvidenceError
from evidence.kind import Lane
from evidence.statement import Count, Head
from evidence.successor import Join

from ..errors import SpoolError
from . import record
from .disk import Disk
from .heads import LANES
from .receipts import ALARMS, Judgement, Known, Verdict, judge

CHECKPOINT_MAGIC = b"VDC1"
RECEIPT_MAGIC = b"VDR1"
FILE_BYTES = 1 << 20
RECEIPT_BYTES = 32 << 20
CHECKPOINT_EVERY = 60 * 10**9
KEEP = 90 * 86_400 * 10**9
QUEUE = 20_000
"""Receipts kept in memory while the disk takes none."""
_KNOWN = "known.json"
_LINE = struct.Struct(">BQQQ32s")


class Alarm(msgspec.Struct, frozen=True):
    """The ledger contradicted itself: the verdict, why, when (UTC ns), and both signed checkpoints."""

    verdict: str
    reason: str
    time: Count
    known: str | None
    shown: str


class Acknowledged(msgspec.Struct, frozen=True):
    """One receipt, compact: the statement, its leaf, and the size of the tree it was proven in."""

    lane: Lane
    seq: int
    index: int
    size: int
    digest: str


class Restored(msgspec.Struct, frozen=True):
    """The ledger was restored from a backup: the former log's key and newest note, and the key then.

    size is how many of the former log's entries the new one took over; time is UTC ns. Statements of each
    lane up to these numbers were sealed before this host heard of it.
    """

    former: str
    note: str | None
    size: Count
    key: str
    time: Count
    priority: Count
    bulk: Count


class _Memory(msgspec.Struct, frozen=True):
    note: str | None = None
    time: Count = 0
    priority: Head | None = None
    bulk: Head | None = None
    alarm: Alarm | None = None
    restored: tuple[Restored, ...] = ()


class Witness:
    """Judges receipts against what it remembers, and remembers."""

    def __init__(self, folder: Path, key: VerifierKey, disk: Disk, first: str | None = None) -> None:
        """Open the memory in folder; first is the note of the enrolment's receipt.

        Raises:
            SpoolError: what is remembered was not signed by key: it belongs to another ledger.
        """
        self._folder = folder
        self._disk = disk
        self._key = key
        self._receipts: list[tuple[int, bytes]] = []
        self._last_note = 0
        self._memory = self._load()
        self._key = key = _last_key(key, self._memory.restored)
        note = self._memory.note or first
        try:
            self.known = Known(note, checkpoint.verify_note(note.encode(), key)) if note else None
        except BadCheckpoint as error:
            raise SpoolError(f"{folder / _KNOWN}: {error}; run `vedette-agent reset-identity`") from error
        self._saved = self._memory

    @property
    def alarm(self) -> Alarm | None:
        """The contradiction that was seen first, None while the log only ever grew."""
        return self._memory.alarm

    @property
    def key(self) -> VerifierKey:
        """The key of the log that this host takes for the log now."""
        return self._key

    @property
    def restored(self) -> tuple[Restored, ...]:
        """How often, and with what, the ledger was restored from a backup."""
        return self._memory.restored

    def lost_with(self, time: int, one: Acknowledged) -> Restored | None:
        """Return the restore by which the collector lost an acknowledged statement; None if it did not."""
        for each in self.restored:
            if time <= each.time and one.index >= each.size:
                return each
        return None

    def last(self, lane: Lane) -> Head | None:
        """Return the newest statement of lane that was acknowledged."""
        return self._memory.priority if lane == "priority" else self._memory.bulk

    def judge(
        self, receipt: str, envelope: bytes, lane: Lane, now: int, heads: tuple[int, int] = (0, 0)
    ) -> Judgement:
        """Judge a receipt and remember its outcome; now is UTC ns. Nothing is on disk before `save`.

        heads are the newest numbers of the priority and the bulk lane.
        """
        judgement = judge(
            receipt,
            envelope,
            self._key,
            self.known,
            quotes_former=self._quotes_former(envelope, lane),
            formers=tuple(checkpoint.parse_vkey(each.former) for each in self.restored),
        )
        if judgement.verdict is Verdict.ACCEPTED:
            if judgement.joins:
                self._go_on(judgement.joins, now, heads)
            self._accept(judgement, lane, max(now, self._after))
        elif judgement.verdict in ALARMS and self.alarm is None and judgement.shown is not None:
            known = self.known.note if self.known else None
            alarm = Alarm(judgement.verdict.value, judgement.reason, now, known, judgement.shown)
            self._memory = msgspec.structs.replace(self._memory, alarm=alarm)
        return judgement

    @property
    def _after(self) -> int:
        """The earliest time of a receipt of the log that is known now."""
        return self.restored[-1].time + 1 if self.restored else 0

    def _quotes_former(self, envelope: bytes, lane: Lane) -> bool:
        """Tell whether a statement quotes a log from before the last restore."""
        if not self.restored:
            return False
        last = self.restored[-1]
        try:
            said = statement.from_bytes(dsse.parse(envelope, statement.PAYLOAD_TYPE).payload)
        except EvidenceError:
            return False
        if said.seq <= (last.priority if lane == "priority" else last.bulk):
            return True
        return last.note is not None and said.seen is not None and f"\n{said.seen.size}\n" in last.note

    def _go_on(self, joins: tuple[Join, ...], now: int, heads: tuple[int, int]) -> None:
        """Take the log that the joins lead to for the log; the newest note of the former one is kept."""
        note = self.known.note if self.known else None
        size = joins[0].index
        key = joins[-1].key
        one = Restored(str(self._key), note, size, str(key), max(now, self._after), *heads)
        self._memory = msgspec.structs.replace(self._memory, restored=(*self.restored, one))
        self._key = key

    def _accept(self, judgement: Judgement, lane: Lane, now: int) -> None:
        head, known = judgement.head, judgement.known
        if head is None or known is None or judgement.index is None:
            return
        self.known = known
        line = _LINE.pack(
            LANES.index(lane), head.seq, judgement.index, known.checkpoint.size, bytes.fromhex(head.hash)
        )
        self._receipts.append((now, line))
        del self._receipts[:-QUEUE]
        self._memory = msgspec.structs.replace(self._memory, note=known.note, time=now)
        last = self.last(lane)
        if last is None or head.seq > last.seq:
            self._memory = (
                msgspec.structs.replace(self._memory, priority=head)
                if lane == "priority"
                else msgspec.structs.replace(self._memory, bulk=head)
            )

    def save(self, now: int) -> None:
        """Make what was judged durable; what is older than 90 days, or beyond the bytes kept, goes.

        Raises:
            OSError: the disk takes nothing; it is kept in memory and tried again with the next call.
        """
        if self._memory != self._saved:
            self._disk.replace(self._folder / _KNOWN, msgspec.json.encode(self._memory))
            self._saved = self._memory
        if self._receipts:
            raw = b"".join(record.encode(RECEIPT_MAGIC, time, line) for time, line in self._receipts)
            self._append(".receipts", raw, now)
            self._receipts = []
        if self.known is not None and now - self._last_note >= CHECKPOINT_EVERY:
            self._append(".checkpoints", record.encode(CHECKPOINT_MAGIC, now, self.known.note.encode()), now)
            self._last_note = now
        self._prune(now)

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """Yield (UTC ns, signed note) of every checkpoint kept, oldest first, the newest last."""
        for time, body in self._records(".checkpoints", CHECKPOINT_MAGIC):
            yield time, body.decode("utf-8", "replace")
        if self.known is not None:
            yield self._memory.time, self.known.note

    def acknowledged(self) -> Iterator[tuple[int, Acknowledged]]:
        """Yield (UTC ns, receipt) of every receipt kept, oldest first."""
        for time, body in self._records(".receipts", RECEIPT_MAGIC):
            if len(body) == _LINE.size:
                lane, seq, index, size, digest = _LINE.unpack(body)
                yield time, Acknowledged(LANES[lane & 1], seq, index, size, digest.hex())

    def _records(self, suffix: str, magic: bytes) -> Iterator[tuple[int, bytes]]:
        for name in self._files(suffix):
            for item in record.scan(self._disk.read(self._folder / name, 0, 2 * FILE_BYTES), magic):
                if isinstance(item, record.Record):
                    yield item.number, item.body

    def _files(self, suffix: str) -> list[str]:
        return [name for name in self._disk.names(self._folder) if name.endswith(suffix)]

    def _append(self, suffix: str, raw: bytes, now: int) -> None:
        """Add raw to the newest file of its kind, or begin one; a short write is cut back."""
        files = self._files(suffix)
        path = self._folder / (files[-1] if files else f"{now:020d}{suffix}")
        size = self._disk.size(path) or 0
        if size > FILE_BYTES:
            path, size = self._folder / f"{now:020d}{suffix}", 0
        if self._disk.append(path, raw) != len(raw):
            with contextlib.suppress(OSError):
                self._disk.truncate(path, size)
            raise OSError(f"{path}: the disk is full")
        self._disk.sync(path)

    def _prune(self, now: int) -> None:
        receipts = self._files(".receipts")
        for name in receipts[: max(0, len(receipts) - RECEIPT_BYTES // FILE_BYTES)]:
            self._disk.remove(self._folder / name)
        notes = self._files(".checkpoints")
        for name, following in itertools.pairwise(notes):
            if int(following.partition(".")[0]) < now - KEEP:
                self._disk.remove(self._folder / name)

    def _load(self) -> _Memory:
        """Read the memory; one that is damaged is set aside, the enrolment's checkpoint takes its place."""
        path = self._folder / _KNOWN
        if self._disk.size(path) is None:
            return _Memory()
        try:
            return msgspec.json.decode(self._disk.read(path, 0, 1 << 20), type=_Memory)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._disk.rename(path, path.with_suffix(".damaged"))
            return _Memory()


def _last_key(pinned: VerifierKey, restored: tuple[Restored, ...]) -> VerifierKey:
    """Return the key of the log that followed the pinned one last: the same key under another name.

    Raises:
        SpoolError: what is remembered leads to another key.
    """
    for each in restored:
        key = checkpoint.parse_vkey(each.key)
        if key.public != pinned.public:
            raise SpoolError(
                f"{_KNOWN}: leads to a key that is not the pinned one's; `vedette-agent reset-identity`"
            )
    return checkpoint.parse_vkey(restored[-1].key) if restored else pinned
