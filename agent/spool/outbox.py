"""Watch's side of the spool: append what was sealed, take verified receipts, delete, and stay within bounds.

Drop data, never statements: when the spool is full the data of whole segments goes, bulk before priority,
oldest first; statements stay and are shipped without data, and `dropped` names what went. Where not even a
statement fits, `append` raises and watch counts the events as a loss it will sign later.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

import msgspec

from evidence.checkpoint import VerifierKey
from evidence.kind import Lane
from evidence.seal import SealedBatch
from evidence.statement import Dropped, Head, Loss, Seen

from .. import settings
from ..errors import SpoolError, SpoolUncertain
from . import accounts, heads, inbox, progress, recovery, restored, segment
from .accounts import Accounts
from .disk import Disk, LocalDisk
from .heads import LANES, Heads, Mark
from .progress import Acked, Progress
from .receipts import Verdict
from .segment import ABSENT, ACKED, LOST, Segment, Stored
from .shelf import Shelf
from .witness import Alarm, Witness
from .writer import Writer

HEADS_FILE = "heads"
STATEMENT_ROOM = 16 << 10
"""Bytes kept for a statement, its record and the heads, beside its data."""


class Chain(Protocol):
    """Whose statements these are: what the outbox needs of the identity."""

    @property
    def agent(self) -> str:
        """The agent's id."""
        ...

    @property
    def epoch(self) -> int:
        """The signing key's epoch."""
        ...

    @property
    def entry(self) -> str:
        """SHA-256 of the enrolment entry, which the first statements quote."""
        ...

    @property
    def ledger(self) -> VerifierKey:
        """The ledger's key."""
        ...

    @property
    def checkpoint(self) -> str | None:
        """The signed note of the enrolment's receipt."""
        ...


class Outbox:
    """The spool, open for watch. Not for use by two processes or threads at once."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        limits: settings.Spool,
        *,
        start: Heads,
        witness: Witness,
        disk: Disk,
    ) -> None:
        """See `open`; start are the heads where the spool has none of its own."""
        self._folder, self._out, self._in = folder, folder / "out", folder / "in"
        self._key, self._limits, self._disk, self._witness = key, limits, disk, witness
        self._writers: dict[Lane, Writer] = {}
        self._broken: str | None = None
        self._published: Progress | None = None
        found = recovery.recover(disk, self._out, self._out / HEADS_FILE, folder / "quarantine", start)
        self._shelf = Shelf(disk, found.segments)
        self._heads, self._generation = found.heads, found.generation
        self._accounts = self._load_accounts()
        self._restore_acks()
        self._account_for(found.damaged)
        self._set_accounts(restored.account_for(witness, self._shelf, self._accounts))
        self.clean = found.generation == 0 or disk.size(folder / "farewell") is not None
        """Whether the last run said farewell, or there was none."""
        disk.remove(folder / "farewell")
        self._write_heads(self._heads)
        self._publish()

    @classmethod
    def open(
        cls,
        folder: Path,
        key: bytes,
        limits: settings.Spool,
        *,
        chain: Chain,
        memory: Path,
        disk: Disk | None = None,
    ) -> Outbox:
        """Open the spool in folder, made by `layout.prepare`.

        key is the spool key, chain usually the Identity, memory the folder of watch's receipts. disk is the
        real one unless a test brings its own.

        Raises:
            SpoolError: the spool is another identity's, or cannot be read. Damage inside never raises.
        """
        disk = disk or LocalDisk()
        try:
            witness = Witness(memory, chain.ledger, disk, chain.checkpoint)
            first = Head(0, chain.entry)
            marks = [Mark(witness.last(lane) or first) for lane in LANES]
            start = Heads(chain.agent, chain.epoch, marks[0], marks[1])
            return cls(folder, key, limits, start=start, witness=witness, disk=disk)
        except OSError as error:
            raise SpoolError(f"spool: {error}") from error

    @property
    def last_event_seq(self) -> int:
        """The highest event number in any appended batch, 0 before the first."""
        return self._heads.event_seq

    @property
    def last_sent(self) -> int | None:
        """When the last statement was sealed (UTC ns): where a blind interval begins."""
        return self._heads.sent

    @property
    def seen(self) -> Seen | None:
        """The newest checkpoint verified here."""
        return self._witness.known.seen if self._witness.known else None

    @property
    def restored(self) -> int | None:
        """When (UTC ns) the collector was found restored from a backup last; None if it never was."""
        return self._witness.restored[-1].time if self._witness.restored else None

    @property
    def alarm(self) -> Alarm | None:
        """The ledger's contradiction of itself, None while it only grew."""
        return self._witness.alarm

    @property
    def waiting(self) -> int:
        """Statements without a verified receipt."""
        return self._shelf.waiting

    def head(self, lane: Lane) -> Head:
        """Return the lane's last statement; seq 0 and the enrolment entry's hash before the first."""
        return self._heads.mark(lane).head

    def sealed(self, lane: Lane) -> int:
        """Return the last event number sealed in lane, 0 before the first."""
        return self._heads.mark(lane).event_seq

    def dropped(self) -> tuple[Dropped, ...]:
        """Return data given up that no appended statement has named yet, as many as one statement takes."""
        return self._accounts.owed[: accounts.AT_ONCE]

    def damage(self) -> tuple[Loss, ...]:
        """Return statements lost to damage, and a forked ledger, that no appended statement has named yet."""
        return self._accounts.owed_losses[: accounts.AT_ONCE]

    def append(self, batch: SealedBatch) -> None:
        """Store the lane's next batch; it is durable on return.

        Raises:
            SpoolError: it does not follow the head, or the disk does not take it; nothing was stored.
            SpoolUncertain: it may have been stored; until it is opened again nothing more is taken.
        """
        said = batch.statement
        self._check_follows(batch)
        try:
            writer = self._writer(said.lane, len(batch.data))
            self._store(writer, batch)
        except SpoolUncertain as error:
            self._broken = str(error)
            raise
        except OSError as error:
            raise SpoolError(f"spool: {error}; free some space or raise [spool] max_bytes") from error
        self._move_head(batch)
        settled = self._accounts.settle(said.dropped, said.loss)
        if writer.segment.flags[-1] & LOST:
            settled = settled.owe((Dropped(said.lane, said.seq, said.seq, "spool_full"),))
        self._set_accounts(settled)

    def take_receipts(self, now: int) -> int:
        """Verify what ship left in `in/` and delete what is acknowledged; now is UTC ns.

        Returns:
            How many statements were acknowledged. Lies and damage are passed over: ship sends again.
        """
        taken = 0
        names = inbox.pending(self._disk, self._in)[: inbox.AT_ONCE]
        for name in names:
            with contextlib.suppress(OSError, SpoolError):
                found = inbox.decode(self._disk.read(self._in / name, 0, inbox.FILE_LIMIT + 1))
                taken += self._take(found, now)
        if names:
            self._settle(now, names)
        return taken

    def farewell(self) -> None:
        """Note that watch stops on purpose, so that the next start is called clean.

        Raises:
            SpoolError: the disk does not take it.
        """
        try:
            self._disk.replace(self._folder / "farewell", b"farewell\n")
        except OSError as error:
            raise SpoolError(f"spool: farewell: {error}") from error

    def _check_follows(self, batch: SealedBatch) -> None:
        said, head = batch.statement, self.head(batch.statement.lane)
        if self._broken is not None:
            raise SpoolUncertain(f"{self._broken}; open the spool again")
        if (said.agent, said.epoch) != (self._heads.agent, self._heads.epoch):
            raise SpoolError(f"spool: the batch is signed for agent {said.agent} epoch {said.epoch}")
        if (said.seq, said.prev) != (head.seq + 1, head.hash):
            raise SpoolError(f"spool: {said.lane} {said.seq} does not follow head {head.seq}")

    def _writer(self, lane: Lane, size: int) -> Writer:
        """Return the lane's growing segment, a new one where the last is long enough."""
        writer = self._writers.get(lane)
        if writer is not None:
            part = writer.segment
            fits = part.data_bytes + size <= self._limits.segment_bytes or not part.data_bytes
            if fits and part.statement_bytes + segment.STATEMENT_RECORD_LIMIT <= segment.STATEMENT_BYTES:
                return writer
        part = Segment(self._out, lane, self.head(lane).seq + 1)
        self._shelf.add(part)
        self._writers[lane] = Writer(self._disk, part, self._key, os.urandom)
        return self._writers[lane]

    def _store(self, writer: Writer, batch: SealedBatch) -> None:
        """Append, giving up older data first, then this batch's own, until the disk takes it."""
        size = len(batch.data) + STATEMENT_ROOM
        while not self._fits(size) and self._drop_oldest(keep=writer.segment):
            pass
        while self._fits(size):
            try:
                writer.append(batch, with_data=True)
            except OSError:
                if not self._drop_oldest(keep=writer.segment):
                    break
            else:
                return
        if self._shelf.size + STATEMENT_ROOM > self._limits.max_bytes:
            raise OSError(f"full: statements alone take {self._shelf.size} bytes")
        writer.append(batch, with_data=False)

    def _fits(self, size: int) -> bool:
        if self._shelf.size + size > self._limits.max_bytes:
            return False
        return self._disk.free(self._folder) - size >= self._limits.free_floor_bytes

    def _drop_oldest(self, keep: Segment) -> bool:
        """Give up the data of one segment; False if no other segment has any."""
        part = self._shelf.oldest_with_data(keep)
        if part is None:
            return False
        writer = self._writers.get(part.lane)
        if writer is not None and writer.segment is part:
            del self._writers[part.lane]
        self._set_accounts(self._accounts.owe(self._shelf.drop_data(part)))
        return True

    def _move_head(self, batch: SealedBatch) -> None:
        said = batch.statement
        mark = self._heads.mark(said.lane)
        last = max(mark.event_seq, said.last_seq or 0)
        moved = self._heads.with_mark(said.lane, Mark(batch.head, mark.floor, last))
        event_seq = max(self._heads.event_seq, said.last_seq or 0)
        try:
            self._write_heads(msgspec.structs.replace(moved, event_seq=event_seq, sent=said.sent))
        except OSError as error:
            self._broken = f"spool: heads: {error}"
            raise SpoolUncertain(self._broken) from error

    def _take(self, delivered: inbox.Delivered, now: int) -> int:
        """Judge one delivery; 1 if it acknowledges a statement."""
        part = self._shelf.find(delivered.lane, delivered.seq)
        if part is None or part.flag(delivered.seq) & (ACKED | ABSENT):
            return 0
        path = part.done_path if part.done else part.statements_path
        stored = segment.read_statement(self._disk, path, part.offset(delivered.seq))
        if delivered.unreadable:
            self._check_readable(part, stored)
        if delivered.receipt is None:
            return 0
        newest = (self.head("priority").seq, self.head("bulk").seq)
        judged = self._witness.judge(delivered.receipt, stored.envelope, delivered.lane, now, newest)
        if judged.verdict is not Verdict.ACCEPTED or self._witness.alarm is not None:
            return 0
        if judged.joins:
            self._witness.save(now)
            self._set_accounts(restored.account_for(self._witness, self._shelf, self._accounts))
        part.mark(delivered.seq, ACKED)
        return 1

    def _check_readable(self, part: Segment, stored: Stored) -> None:
        """Give up data that ship reports as damaged, once reading it here fails as well."""
        if part.flag(stored.seq) & LOST:
            return
        try:
            segment.read_data(self._disk, part.data_path, self._key, stored)
        except (OSError, SpoolError):
            part.mark(stored.seq, LOST)
            gone = Dropped(part.lane, stored.seq, stored.seq, "damaged")
            self._set_accounts(self._accounts.owe((gone,)))

    def _settle(self, now: int, names: list[str]) -> None:
        """Keep what was judged, tell ship, remove what was read, delete what is acknowledged.

        Ship takes an empty inbox for the sign that progress says where the next proof must start.
        """
        with contextlib.suppress(OSError):
            self._witness.save(now)
        self._publish()
        for name in names:
            with contextlib.suppress(OSError):
                self._disk.remove(self._in / name)
        alarm = self._witness.alarm
        if alarm is not None:
            loss = Loss(cause=alarm.verdict, from_=alarm.time)
            self._set_accounts(self._accounts.owe_loss(loss))
        else:
            with contextlib.suppress(OSError):
                self._delete_settled()
        self._publish()

    def _delete_settled(self) -> None:
        """Delete what is acknowledged; the floor moves first, so a crash in between leaves no false hole."""
        for lane in LANES:
            writer = self._writers.get(lane)
            floor = self._shelf.finish(lane, writer.segment if writer else None)
            if floor is not None:
                mark = msgspec.structs.replace(self._heads.mark(lane), floor=floor)
                self._write_heads(self._heads.with_mark(lane, mark))
                self._shelf.delete_to(lane, floor)
                self._set_accounts(self._accounts.forget(lane, floor))

    def _write_heads(self, new: Heads) -> None:
        """Write the next slot and flush it; only then do the new heads count."""
        path = self._out / HEADS_FILE
        offset, slot = heads.encode(new, self._generation + 1)
        if self._disk.write(path, offset, slot) != len(slot):
            raise OSError(f"{path}: short write")
        self._disk.sync(path)
        if self._generation == 0:
            self._disk.sync_folder(self._out)
        self._heads, self._generation = new, self._generation + 1

    def _publish(self) -> None:
        """Tell ship what is acknowledged and where proofs shall start; a failure costs only resends."""
        acked = [Acked(self._heads.mark(lane).floor, self._shelf.acked(lane)) for lane in LANES]
        count = len(self._witness.restored)
        told = Progress(self.seen, acked[0], acked[1], self._witness.alarm is not None, count)
        if told != self._published:
            with contextlib.suppress(OSError):
                self._disk.replace(self._out / progress.FILE, progress.encode(told), durable=False)
                self._published = told

    def _restore_acks(self) -> None:
        """Take over from our own progress file which statements were acknowledged before a restart."""
        with contextlib.suppress(OSError, SpoolError):
            raw = self._disk.read(self._out / progress.FILE, 0, progress.LIMIT)
            self._shelf.restore(progress.decode(raw))

    def _account_for(self, damaged: tuple[tuple[Lane, int, int], ...]) -> None:
        """Owe an explanation for every statement and every batch's data that is not there any more."""
        account = self._accounts
        for lane, first, last in damaged:
            account = account.owe_loss(accounts.damage(lane, first, last))
        self._set_accounts(account.owe(self._shelf.without_data()))

    def _load_accounts(self) -> Accounts:
        path = self._folder / "accounts.json"
        if self._disk.size(path) is None:
            return Accounts()
        try:
            return msgspec.json.decode(self._disk.read(path, 0, 1 << 20), type=Accounts)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Accounts()

    def _set_accounts(self, new: Accounts) -> None:
        """Keep the accounts; if the disk takes none, a restart finds the damage again, but not its cause."""
        if new != self._accounts:
            self._accounts = new
            with contextlib.suppress(OSError):
                self._disk.replace(self._folder / "accounts.json", msgspec.json.encode(new))

    @property
    def bytes(self) -> int:
        """What lies in the spool."""
        return self._shelf.size
