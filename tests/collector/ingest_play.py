"""One enrolled host in front of a new ingest application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from collector.ledger.disk import Disk
from evidence import dsse, statement
from evidence.seal import SealedBatch

from .front import Front, serving
from .station import Host, Station

Play = Callable[[Front, Host], Awaitable[None]]


def play(station: Station, folder: Path, act: Play, disk: Disk | None = None) -> None:
    """Run act against a new ingest application, with one enrolled host."""
    keeper = station.keeper(disk)
    host = station.enrol(keeper, folder)

    async def main() -> None:
        async with serving(Front(station, keeper)) as front:
            await act(front, host)

    try:
        asyncio.run(main())
    finally:
        keeper.close()


def reseal(host: Host, good: SealedBatch, **changes: object) -> SealedBatch:
    """Sign good's statement anew with some fields changed."""
    said = msgspec.structs.replace(good.statement, **changes)
    payload = statement.to_bytes(said)
    envelope = dsse.encode(payload, statement.PAYLOAD_TYPE, host.key)
    return SealedBatch(said, statement.digest(payload), envelope, good.data)
