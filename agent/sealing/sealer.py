"""Seal a lane's batch at its place in the chain and store it; take receipts. Runs in the keeper's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from evidence import seal, statement
from evidence.errors import TooLarge
from evidence.keys import Signer
from evidence.kind import Lane
from evidence.seal import Circumstances, Place, SealedBatch
from evidence.statement import Dropped, Head, Seen

from ..errors import SpoolError, SpoolUncertain
from ..sensor import Moment
from ..version import VERSION
from .lanes import LANES, Queued


class Store(Protocol):
    """What the sealer needs of the outbox."""

    @property
    def seen(self) -> Seen | None:
        """The newest verified checkpoint."""
        ...

    @property
    def bytes(self) -> int:
        """What is stored."""
        ...

    @property
    def waiting(self) -> int:
        """Statements without a receipt."""
        ...

    @property
    def restored(self) -> int | None:
        """When (UTC ns) the collector was found restored last."""
        ...

    def head(self, lane: Lane) -> Head:
        """Return the lane's last statement."""
        ...

    def dropped(self) -> tuple[Dropped, ...]:
        """Return data given up, not yet told."""
        ...

    def damage(self) -> tuple[statement.Loss, ...]:
        """Return losses of the spool itself, not yet told."""
        ...

    def append(self, batch: SealedBatch) -> None:
        """Store batch durably, or raise SpoolError; SpoolUncertain when it must be opened again."""
        ...

    def take_receipts(self, now: int) -> int:
        """Verify and take receipts."""
        ...

    def farewell(self) -> None:
        """Note that the stop was on purpose, or raise SpoolError."""
        ...


class Signing(msgspec.Struct, frozen=True):
    """In whose name statements are made: agent, key epoch, signer, boot id."""

    agent: str
    epoch: int
    signer: Signer
    boot: str


class SpoolState(msgspec.Struct, frozen=True):
    """The spool after a job, for heartbeats and status.

    restored is when (UTC ns) this host heard last that the collector was restored from a backup.
    """

    bytes: int
    waiting: int
    heads: dict[str, int]
    seen: Seen | None
    restored: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """How a job ended: the batch and losses that could not be stored, why, and the spool afterwards."""

    lane: Lane | None = None
    stored: int = 0
    unstored: list[Queued] = []
    losses: tuple[statement.Loss, ...] = ()
    error: str | None = None
    receipts: int = 0
    spool: SpoolState | None = None


class Sealer:
    """Holds the open outbox; it is opened again, which reads it through, only when it asks for that."""

    def __init__(
        self, store: Store, reopen: Callable[[], Store], signing: Signing, errand: Callable[[], None]
    ) -> None:
        """Take the open store, how to open it again, who signs, and what to do beside taking receipts."""
        self._errand = errand
        self._store: Store | None = store
        self._reopen = reopen
        self._tried: dict[Lane, tuple[statement.Statement, Head]] = {}
        self._signing = signing

    def store(
        self, lane: Lane, batch: Sequence[Queued], losses: tuple[statement.Loss, ...], now: Moment
    ) -> Outcome:
        """Seal and store batch in one statement, or in several where it is too large for one."""
        left = list(batch)
        told = losses
        size = max(len(left), 1)
        try:
            store = self._opened()
            left = self._not_stored(store, lane, left)
            while left:
                try:
                    sealed = self._seal(store, lane, left[:size], told, now)
                except TooLarge:
                    if size == 1:
                        raise
                    size = (size + 1) // 2
                    continue
                self._tried[lane] = sealed.statement, sealed.head
                store.append(sealed)
                del self._tried[lane]
                left, told = left[size:], ()
        except (SpoolError, TooLarge, OSError) as error:
            self._failed(error)
            return Outcome(lane, len(batch) - len(left), left, told, str(error))
        return Outcome(lane, len(batch), spool=_state(store))

    def take_receipts(self, now: Moment) -> Outcome:
        """Take what ship left."""
        try:
            self._errand()
            store = self._opened()
            taken = store.take_receipts(now.time)
        except (SpoolError, OSError) as error:
            self._failed(error)
            return Outcome(error=str(error))
        return Outcome(receipts=taken, spool=_state(store))

    def farewell(self) -> bool:
        """Say farewell; False when the disk does not take it."""
        try:
            self._opened().farewell()
        except SpoolError:
            return False
        return True

    def state(self) -> SpoolState:
        """Return the spool's state, when no job runs.

        Raises:
            SpoolError: it had to be opened again and could not be.
        """
        return _state(self._opened())

    def _not_stored(self, store: Store, lane: Lane, batch: list[Queued]) -> list[Queued]:
        """Return batch without what the last attempt stored after all, though it failed at a later step."""
        said, head = self._tried.get(lane, (None, None))
        if said is None or said.last_seq is None or store.head(lane) != head:
            return batch
        return [item for item in batch if item.seq > said.last_seq]

    def _failed(self, error: Exception) -> None:
        if isinstance(error, SpoolUncertain):
            self._store = None

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._reopen()
        return self._store

    def _seal(
        self,
        store: Store,
        lane: Lane,
        events: Sequence[Queued],
        losses: tuple[statement.Loss, ...],
        now: Moment,
    ) -> SealedBatch:
        signing = self._signing
        other: Lane = "bulk" if lane == "priority" else "priority"
        place = Place(signing.agent, signing.epoch, lane, store.head(lane), store.head(other))
        around = Circumstances(
            boot=signing.boot,
            time=now.time,
            mono=now.mono,
            version=VERSION,
            loss=(*losses, *store.damage()),
            dropped=store.dropped(),
            seen=store.seen,
        )
        return seal.seal_lines(events, place, around, signing.signer)


def _state(store: Store) -> SpoolState:
    heads: dict[str, int] = {lane: store.head(lane).seq for lane in LANES}
    return SpoolState(store.bytes, store.waiting, heads, store.seen, store.restored)
