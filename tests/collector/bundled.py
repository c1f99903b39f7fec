"""A ledger with batches of hosts, the store made of it, and bundles of both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from collector import provision
from collector.analysis import Analysis
from collector.audit.bundler import Bundler, Story
from collector.lake import generation
from collector.lake.local_shelf import LocalShelf
from collector.ledger import segment
from collector.ledger.reader import LedgerReader
from collector.pipeline.pipeline import Pipeline
from collector.settings import Detection
from evidence import bundle, entry
from evidence.bundle import Bundle
from evidence.entry import EntryType
from evidence.seal import SealedBatch
from evidence.statement import Seen

from .station import Host, Station


class Record:
    """A ledger with batches of hosts, and what a bundle of it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.station = Station(folder / "state")
        self.keeper = self.station.keeper()

    def host(self) -> Host:
        return self.station.enrol(self.keeper, self.folder)

    def append(self, batches: Sequence[SealedBatch]) -> None:
        """Append batches as one group."""
        now = time.time_ns()
        rows = [
            segment.row(entry.encode(EntryType.BATCH, batch.envelope), now, batch.data) for batch in batches
        ]
        self.keeper.ledger.append(rows)

    def append_without_data(self, batch: SealedBatch) -> None:
        """Append a statement alone."""
        row = segment.row(entry.encode(EntryType.BATCH, batch.envelope), time.time_ns())
        self.keeper.ledger.append([row])

    def seen(self) -> Seen:
        head = self.keeper.ledger.checkpoint
        return Seen(head.size, head.root.hex())

    def store(self) -> None:
        """Run the pipeline over all there is."""
        places = self.station.paths
        reader = LedgerReader(places.ledger)
        settings = self.station.settings.pipeline
        with generation.owned(places.lake):
            folder = generation.current(places.lake)
            made = Pipeline(
                reader,
                folder,
                places.snapshot,
                lambda: Analysis(Detection()),
                settings,
                open_shelf=LocalShelf,
            )
            while made.position < reader.size():
                made.turn(0)
            made.flush()
            made.close()
        reader.close()

    def bundle(
        self,
        uids: tuple[str, ...] = (),
        start: int | None = None,
        end: int | None = None,
        about: Story | None = None,
    ) -> Bundle:
        return bundle.read(self.raw_bundle(uids, start, end, about))

    def raw_bundle(
        self,
        uids: tuple[str, ...] = (),
        start: int | None = None,
        end: int | None = None,
        about: Story | None = None,
    ) -> bytes:
        key = provision.ledger_key(self.station.settings, self.station.paths)
        bundler = Bundler(self.station.paths, key, time.time_ns, patience=0)
        return b"".join(bundler(uids, start, end, about))
