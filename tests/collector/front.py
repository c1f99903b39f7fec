"""The ingest application, asked without a network: what TLS proves is given as an argument."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from collector.clock import Clock, SystemClock
from collector.ingest.admission import Admission, DiskFloor
from collector.ingest.group import GroupCommit
from collector.ingest.ingest import Ingest, Renew
from collector.ingest.intake import Intake
from collector.ingest.mutual_tls import EXTENSION, Arriving
from collector.ingest.quota import Quota
from collector.ledger.publish import Published
from collector.ledger_access.keeper import Keeper
from collector.policy.policies import Offers
from evidence import endpoints, receipt
from evidence.receipt import Receipt
from evidence.refusal import Refusal
from evidence.seal import SealedBatch

from .station import Host, Station


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def receipt(self) -> Receipt:
        assert self.status == 200, self.body
        return receipt.from_bytes(self.body)

    @property
    def refusal(self) -> Refusal:
        assert self.status != 200
        return msgspec.json.decode(self.body, type=Refusal)


class Front:
    """An ingest application over an open ledger."""

    def __init__(
        self, station: Station, keeper: Keeper, clock: Clock | None = None, renew: Renew | None = None
    ) -> None:
        limits = station.settings.ingest
        clock = clock or SystemClock()
        self.keeper = keeper
        self.group = GroupCommit(keeper.ledger)
        quota = Quota(limits.agent_batches_per_minute, limits.agent_bytes_per_minute)
        self.intake = Intake(keeper, self.group, quota, clock)
        self.floor = DiskFloor(station.paths.ledger, limits.free_floor_bytes, clock)
        self.app = Ingest(
            self.intake,
            Admission(limits.queue_batches, limits.queue_bytes),
            self.floor,
            Published(station.paths.ledger),
            renew,
            offered=Offers(station.paths).answer,
            body_seconds=0.01,  # for who stalls; of the others the request is here as a whole
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        agent: str | None = None,
        body: Sequence[bytes] = (b"",),
        headers: Sequence[tuple[bytes, bytes]] = (),
        stalls: bool = False,
    ) -> Answer:
        """Ask, and return the answer; a client that stalls never sends the end of its body."""
        parts = [
            {"type": "http.request", "body": part, "more_body": number < len(body)}
            for number, part in enumerate(body, start=1)
        ]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            if stalls and len(parts) <= 1:
                await asyncio.Event().wait()
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "method": method,
            "path": path,
            "headers": headers,
            "extensions": {EXTENSION: Arriving(agent, is_whole=not stalls)},
        }
        await self.app(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, sent[1]["body"])

    async def post(self, agent: str | None, body: bytes, known: int = 0) -> Answer:
        headers = [
            (b"content-length", str(len(body)).encode()),
            (endpoints.KNOWN_SIZE.encode(), str(known).encode()),
        ]
        return await self.ask("POST", endpoints.BATCHES, agent=agent, body=[body], headers=headers)

    async def send(self, host: Host, sealed: SealedBatch, *, data: bool = True) -> Answer:
        return await self.post(host.agent, host.body(sealed, data=data))


@contextlib.asynccontextmanager
async def serving(front: Front) -> AsyncIterator[Front]:
    """Run the group commit while the block runs."""
    committing = asyncio.create_task(front.group.run())
    try:
        yield front
    finally:
        committing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await committing
        front.group.close()
