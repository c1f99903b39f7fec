"""A host enrolled at a fake collector, with watch's and ship's parts in one process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from agent import identity
from agent.enrolment import enrol
from agent.identity import Identity
from agent.layout import Layout
from agent.settings import Collector, Spool
from agent.shipping.channel import Channel
from agent.shipping.ship import Shipper
from agent.spool.disk import LocalDisk
from agent.spool.outbox import Outbox
from agent.spool.outgoing import Outgoing
from evidence import seal
from evidence.kind import Lane
from evidence.seal import Circumstances, Place, SealedBatch
from tests.agent.chain import event
from tests.agent.fake_collector import FakeCollector

LIMITS = Spool(max_bytes=4 << 20, free_floor_bytes=1, segment_bytes=16_384)


def collector_settings(collector: FakeCollector) -> Collector:
    return Collector(ingest=collector.ingest, enrol=collector.enrol, timeout=5.0)


def enrolled(collector: FakeCollector, state: Path) -> Layout:
    layout = Layout(state)
    enrol.enrol(layout, collector_settings(collector), collector.token, None, os.urandom)
    return layout


@dataclass
class Agent:
    """Watch appends and takes receipts, ship posts; time is a number that a test moves."""

    collector: FakeCollector
    layout: Layout
    limits: Spool = LIMITS
    now: float = 0.0
    identity: Identity = field(init=False)
    outbox: Outbox = field(init=False)
    shipper: Shipper = field(init=False)
    appended: list[SealedBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.identity = identity.load(self.layout)
        self.open_outbox()
        self.start_ship()

    def open_outbox(self, disk: LocalDisk | None = None) -> None:
        self.outbox = Outbox.open(
            self.layout.spool,
            self.identity.spool_key,
            self.limits,
            chain=self.identity,
            memory=self.layout.memory,
            disk=disk,
        )

    def start_ship(self) -> None:
        disk = LocalDisk()
        self.channel = Channel(self.layout, collector_settings(self.collector))
        outgoing = Outgoing(self.layout.spool, self.identity.spool_key, disk)
        self.shipper = Shipper(self.layout, outgoing, disk, self.channel, lambda: 0.5)

    def append(self, lane: Lane = "priority", size: int = 10) -> SealedBatch:
        seq = len(self.appended) + 1
        other: Lane = "bulk" if lane == "priority" else "priority"
        place = Place(self.identity.agent, 1, lane, self.outbox.head(lane), self.outbox.head(other))
        around = Circumstances(
            boot="boot",
            time=seq,
            mono=seq,
            version="0.1.0",
            loss=self.outbox.damage(),
            dropped=self.outbox.dropped(),
            seen=self.outbox.seen,
        )
        batch = seal.seal([event(seq, size)], place, around, self.identity.signer)
        self.outbox.append(batch)
        self.appended.append(batch)
        return batch

    def ship(self, steps: int = 1000) -> float:
        """Let ship work until it wants to sleep; return for how long."""
        for _ in range(steps):
            wait = self.shipper.step(self.now)
            if wait > 0:
                return wait
            self.now += 0.001
        return 0.0

    def take(self) -> int:
        return self.outbox.take_receipts(len(self.appended) + 1)
