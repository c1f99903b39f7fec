"""Rebuild the lake from the ledger: the same rows, into a new place, made current in one step.

Nobody is notified. The old lake stays for readers that hold a snapshot of it; the pipeline drops it later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..engine import Engine
from ..lake import generation
from ..lake.local_shelf import LocalShelf
from ..settings import Pipeline as PipelineSettings
from .pipeline import Pipeline, Source

Progress = Callable[[int, int], None]
"""Called with the entries replayed so far, and how many there are."""


def replay(
    source: Source,
    root: Path,
    readers: Path,
    make_engine: Callable[[], Engine],
    settings: PipelineSettings,
    *,
    clock: Callable[[], int] = time.time_ns,
    progress: Progress | None = None,
) -> int:
    """Rebuild the lake below root and return how many entries it has; the caller owns root.

    readers is the snapshot's path; it changes only once the new lake is whole and current.

    Raises:
        StoreError, LedgerError: the old lake stays current.
    """
    folder = generation.following(root)
    unseen = root / "replay.json"
    size = source.wait(-1, 0)
    pipeline = Pipeline(source, folder, unseen, make_engine, settings, clock=clock, open_shelf=LocalShelf)
    try:
        while pipeline.position < size:
            pipeline.turn(0)
            if progress is not None:
                progress(pipeline.position, size)
        pipeline.tick()
        pipeline.flush()
    finally:
        pipeline.close()
    generation.make_current(folder)
    unseen.replace(readers)
    return size
