"""Group commit: rows that come while the disk is busy become durable together, under one checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from evidence.refusal import Code

from ..errors import LedgerError, LedgerFull, Refused
from ..ledger.segment import Row
from ..ledger.writer import Ledger

_GROUP_ROWS = 512
_PASSES = 2
"""Passes of the loop before a group goes to the disk: in one what has come is read, in the next it is
verified, and so belongs to this group. A group costs three syncs and a signature, however many rows it has; a
loop that has nothing to do passes at once."""
_FULL_RETRY_SECONDS = 30.0
_FAULT_RETRY_SECONDS = 5.0


@dataclass(slots=True)
class _Waiting:
    row: Row
    durable: Callable[[int], None]
    done: asyncio.Future[int]


class GroupCommit:
    """One group is with the disk while the next one gathers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[_Waiting] = []
        self._some = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "ledger")

    async def submit(self, row: Row, durable: Callable[[int], None]) -> int:
        """Return the row's leaf index once it is durable; before that, durable was called with it.

        durable is called on the loop in the order of the ledger, so what it projects has that order.

        Raises:
            Refused: disk_full, or fault where the device failed.
        """
        waiting = _Waiting(row, durable, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._some.set()
        return await waiting.done

    async def run(self) -> None:
        """Commit groups until cancelled.

        Raises:
            LedgerError: the device failed; the ledger must be opened again.
        """
        while True:
            await self._some.wait()
            for _ in range(_PASSES):
                await asyncio.sleep(0)
            group = self._waiting[:_GROUP_ROWS]
            del self._waiting[:_GROUP_ROWS]
            if not self._waiting:
                self._some.clear()
            await self._commit(group)

    async def _commit(self, group: list[_Waiting]) -> None:
        rows = [waiting.row for waiting in group]
        loop = asyncio.get_running_loop()
        try:
            first = await loop.run_in_executor(self._thread, self._ledger.append, rows)
        except LedgerFull as error:
            _fail(group, Refused(Code.DISK_FULL, "the ledger's disk is full", _FULL_RETRY_SECONDS), error)
            return
        except LedgerError as error:
            everyone = [*group, *self._waiting]
            self._waiting.clear()
            _fail(everyone, Refused(Code.FAULT, "the ledger's disk failed", _FAULT_RETRY_SECONDS), error)
            raise
        for index, waiting in enumerate(group, start=first):
            waiting.durable(index)
        for index, waiting in enumerate(group, start=first):
            if not waiting.done.done():
                waiting.done.set_result(index)

    def close(self) -> None:
        """Wait for the group that is with the disk."""
        self._thread.shutdown()


def _fail(group: list[_Waiting], refusal: Refused, cause: LedgerError) -> None:
    refusal.__cause__ = cause
    for waiting in group:
        if not waiting.done.done():
            waiting.done.set_exception(refusal)
