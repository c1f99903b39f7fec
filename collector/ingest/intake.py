"""What happens to a batch between the connection and the ledger, and to the collector's own entries and acts.

The state that decides (keys, chains, forks) changes only once an entry is durable. Until then its place in
the chain is taken by one request, and others for the same place wait for the outcome.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from evidence import enrolment, entry, tree
from evidence.entry import EntryType
from evidence.kinds.collector import Act
from evidence.receipt import Receipt
from evidence.refusal import Code

from ..chains.projection import open_statement
from ..clock import Clock
from ..errors import Refused
from ..ledger.segment import Row
from ..ledger_access.keeper import Keeper
from . import verify
from .group import GroupCommit
from .quota import Quota
from .turned_away import TurnedAway
from .verify import Verified

_NO_DATA = hashlib.sha256(b"").digest()
_Place = tuple[str, int, str, int]
_HOLES_RETRY_SECONDS = 60.0
_DATA_RETRY_SECONDS = 5.0


class Intake:
    """Takes batches, entries and acts; each answer is given when what it answers for is durable."""

    def __init__(self, keeper: Keeper, group: GroupCommit, quota: Quota, clock: Clock) -> None:
        self._keeper = keeper
        self._group = group
        self._quota = quota
        self._clock = clock
        self._places: dict[_Place, asyncio.Event | None] = {}
        self._revoking: dict[str, set[int | None]] = {}
        self._appending = asyncio.Lock()
        self._acting = asyncio.Lock()
        self._turned_away = TurnedAway()

    async def batch(self, body: bytes, certified: str | None, known: int) -> Receipt:
        """Verify a posted body and return its receipt; certified is the agent of the TLS certificate.

        Raises:
            Refused: by what was wrong first.
        """
        request = verify.split(body)
        self._take_quota(certified, len(body))
        try:
            agent = self.peer(certified)
            verified = verify.verify(request, agent, self._keeper.projection.registry)
            return await self._in_turn(verified, known)
        except Refused as refused:
            if refused.code is Code.REVOKED and certified is not None:
                self._turned_away.note(certified, body)
            raise

    def peer(self, certified: str | None) -> str:
        """Return the agent a connection speaks for.

        Raises:
            Refused: unknown_agent or revoked.
        """
        return verify.peer(certified, self._keeper.projection.registry)

    def _take_quota(self, certified: str | None, size: int) -> None:
        wait = self._quota.take(certified or "", size, self._clock.monotonic())
        if wait is not None:
            raise Refused(Code.RATE_LIMITED, "more batches or bytes a minute than this agent may send", wait)

    async def _in_turn(self, verified: Verified, known: int) -> Receipt:
        """Hold the statement's place in its chain: two requests for it are judged one after the other."""
        said = verified.statement
        place = (said.agent, said.epoch, said.lane, said.seq)
        while place in self._places:
            await self._left(place)
        self._places[place] = None
        try:
            return await self._admit(verified, known)
        finally:
            left = self._places.pop(place)
            if left is not None:
                left.set()

    async def _left(self, place: _Place) -> None:
        """Wait until a place is left; only then is there an event for it, since hardly anybody ever waits."""
        left = self._places[place]
        if left is None:
            left = self._places[place] = asyncio.Event()
        await left.wait()

    async def _admit(self, verified: Verified, known: int) -> Receipt:
        projection = self._keeper.projection
        said, epoch = verified.statement, verified.epoch
        there = projection.chains.find(said, epoch)
        if there is not None:
            return await self._again(verified, there, known)
        if not verified.data and not projection.chains.is_dropped(said, epoch):
            message = "statement without data, which no accepted statement says was given up"
            raise Refused(Code.DATA_MISSING, message, _DATA_RETRY_SECONDS)
        if projection.chains.has_too_many_holes(said, epoch):
            message = "this chain has too many holes; send what is missing first"
            raise Refused(Code.OVERLOADED, message, _HOLES_RETRY_SECONDS)
        self._check_revoked(verified)
        index = await self._keep(verified, EntryType.BATCH)
        return self._receipt(verified, index, known)

    def _check_revoked(self, verified: Verified) -> None:
        """Look once more just before the row is queued: rows queued later have a larger index."""
        said = verified.statement
        now = self._keeper.projection.registry.epoch(said.agent, said.epoch)
        closing = self._revoking.get(said.agent, set())
        if now is None or now.revoked_at is not None or {None, said.epoch} & closing:
            raise Refused(Code.REVOKED, f"agent {said.agent}: epoch {said.epoch} is revoked")

    async def _again(self, verified: Verified, there: int, known: int) -> Receipt:
        """Answer a statement whose place is taken: the same one again, or a contradiction."""
        projection, ledger = self._keeper.projection, self._keeper.ledger
        raw = entry.encode(EntryType.BATCH, verified.envelope)
        if tree.leaf_hash(raw) != ledger.leaf(there):
            first = await asyncio.to_thread(ledger.entry, there)
            if open_statement(entry.decode(first).payload)[1] != verified.digest:
                if projection.chains.keeps_fork(verified.statement, verified.digest, verified.epoch):
                    self._check_revoked(verified)
                    await self._keep(verified, EntryType.EQUIVOCATION)
                said = verified.statement
                where = f"{said.lane} {said.seq} of epoch {said.epoch}"
                raise Refused(Code.EQUIVOCATION, f"another statement {where} is in the ledger; both are kept")
        return self._receipt(verified, there, known, duplicate=True)

    def _receipt(self, verified: Verified, index: int, known: int, *, duplicate: bool = False) -> Receipt:
        """Return the receipt; to a host that does not quote this log yet it says where the log goes on."""
        joins, seen, ledger = self._keeper.projection.joins, verified.statement.seen, self._keeper.ledger
        if joins and seen is not None and seen.size > joins[-1][0]:
            joins = [] if ledger.had_root(seen.size, bytes.fromhex(seen.root)) else joins
        return ledger.receipt(index, known, duplicate=duplicate, joins=joins)

    async def _keep(self, verified: Verified, kind: EntryType) -> int:
        said = verified.statement
        digest = bytes.fromhex(said.sha256) if verified.data else _NO_DATA
        row = Row(entry.encode(kind, verified.envelope), verified.data, self._clock.now(), digest)

        def durable(index: int) -> None:
            self._keeper.projection.accept(index, kind, said, verified.digest, verified.epoch)

        return await self._group.submit(row, durable)

    async def append(self, kind: EntryType, payload: bytes) -> Receipt:
        """Append an entry that holds no statement, and return its receipt once it is durable.

        Raises:
            CodecError: the payload is not what such an entry holds.
            Refused: it could not be made durable.
        """
        async with self._appending:
            row = self._keeper.plain_row(kind, payload)
            projection = self._keeper.projection
            with self._closing(kind, payload):
                index = await self._group.submit(row, lambda index: projection.apply(index, kind, payload))
        return self._keeper.ledger.receipt(index, 0)

    @contextmanager
    def _closing(self, kind: EntryType, payload: bytes) -> Iterator[None]:
        """Let no more of an agent in while its revocation becomes durable."""
        if kind is not EntryType.REVOCATION:
            yield
            return
        record = enrolment.revocation(payload)
        self._revoking[record.agent] = {record.epoch}
        try:
            yield
        finally:
            del self._revoking[record.agent]

    async def record(self, act: Act) -> Receipt:
        """Seal act with the collector's own key, and return its receipt once it is durable.

        Raises:
            Refused: it could not be made durable.
            NotSetUp: the collector has no identity of its own yet.
            TooLarge: it does not fit into a batch.
        """
        async with self._acting:
            sealed = self._keeper.seal_act(act)
            row = self._keeper.act_row(sealed)
            index = await self._group.submit(row, lambda index: self._keeper.accept_act(index, sealed))
        return self._keeper.ledger.receipt(index, 0)

    async def record_turned_away(self) -> None:
        """Record what revoked agents sent since the last call: how much, and a hash over it.

        Raises:
            Refused, NotSetUp: as `record`; what could not be recorded is tried again at the next call.
        """
        for act in self._turned_away.acts():
            await self.record(act)
            self._turned_away.forget(act)
