"""What an event costs the pipeline, step by step: rows {"name", "value", "unit"} in microseconds of CPU.

A recorded stream of sealed batches goes through each step by itself, in one process with nothing beside:
opening (statement, decompression), that with decoding, and all of the fold with attribution and rules, as the
pipeline's main thread does it; then the Arrow tables, the commit and the merge, as its other threads do. The
CPU is that of the whole process, DuckDB's threads included. Of the fold each is the least of several runs.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collector.lake.decode import Reading
from collector.lake.lake import Lake
from collector.lake.shelf import Commit
from collector.ledger.reader import LedgerItem
from collector.pipeline import tables
from collector.pipeline.fold import Fold, Folded
from evidence import codec, dsse, frame, statement
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.statement import Head, Statement
from tests.bench import workload
from tests.bench.rules import engine

EVENTS = 1000
_BOOT = "6e1b5d3a-7f52-4a43-8a6e-0b7f0f5f3c11"
_NOTHING = "0" * 64
_BEGIN = 1_790_000_000_000_000_000
_COMMIT = 30
"""Batches of a commit."""


def recorded(count: int) -> list[LedgerItem]:
    """Return the ledger's entries of as many batches, each of another host."""
    key = PrivateKey(bytes(32))
    return [_item(number, key) for number in range(count)]


def _item(number: int, key: PrivateKey) -> LedgerItem:
    events = workload.events(EVENTS, number)
    raw = codec.encode(events)
    data = frame.compress(raw)
    received = events[-1].time + 1_000_000_000
    said = Statement(
        agent=f"{number:032x}",
        epoch=1,
        lane="bulk",
        seq=1,
        prev=_NOTHING,
        other=Head(0, _NOTHING),
        boot=_BOOT,
        sent=received,
        mono=1_000_000_000,
        codec=statement.CODEC,
        sha256=hashlib.sha256(data).hexdigest(),
        length=len(data),
        raw_length=len(raw),
        events=EVENTS,
        version="0.1.0",
        first_time=events[0].time,
        last_time=events[-1].time,
        first_seq=1,
        last_seq=EVENTS,
    )
    envelope = dsse.encode(statement.to_bytes(said), statement.PAYLOAD_TYPE, key)
    return LedgerItem(number, EntryType.BATCH, envelope, data, received)


def _spent(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _opened(items: Sequence[LedgerItem]) -> None:
    for item in items:
        Reading(item)
        frame.decompress(item.data or b"", 1 << 26)


def _decoded(items: Sequence[LedgerItem]) -> None:
    for item in items:
        reading = Reading(item)
        for _events in reading.parts():
            pass
        reading.batch()


def folded(items: Sequence[LedgerItem], told: bool = True) -> tuple[list[Folded], int]:
    """Return the batches as they are stored, and how many alerts they gave."""
    fold, found, alerts = Fold(engine(told)), list[Folded](), 0
    for item in items:
        one, raised = fold.feed(item)
        alerts += len(raised)
        if one is not None:
            found.append(one)
    return found, alerts


def stored(batches: Sequence[Folded], folder: Path) -> dict[str, float]:
    """Return the seconds of CPU that storing took, by step."""
    lake = Lake(folder)
    spent = {"tables": 0.0, "commit": 0.0}
    for at in range(0, len(batches), _COMMIT):
        part = batches[at : at + _COMMIT]
        began = time.process_time()
        whole = Commit(tables.rows(part), at + len(part), tables.texts(part))
        made = time.process_time()
        lake.commit(whole)
        spent["tables"] += made - began
        spent["commit"] += time.process_time() - made
    spent["merge"] = _spent(lake.merge)
    lake.close()
    return spent


def rows(count: int, runs: int, told: bool = True, store: bool = True) -> list[dict[str, object]]:
    """Measure and return the rows."""
    items = recorded(count)
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 100)
    spent: dict[str, float] = {
        "open": min(_spent(lambda: _opened(items)) for _ in range(runs)),
        "open_and_decode": min(_spent(lambda: _decoded(items)) for _ in range(runs)),
        "fold": min(_spent(lambda: folded(items, told)) for _ in range(runs)),
    }
    batches, alerts = folded(items, told)
    if store:
        folder = Path(tempfile.mkdtemp(prefix="vedette-fold-", dir="/var/tmp"))
        try:
            spent |= stored(batches, folder / "lake")
        finally:
            shutil.rmtree(folder)
    each = count * EVENTS / 1e6
    made: list[dict[str, object]] = [
        {"name": f"{name}_us", "value": round(seconds / each, 2), "unit": "us/event"}
        for name, seconds in spent.items()
    ]
    return [*made, {"name": "alerts", "value": alerts, "unit": f"of {count * EVENTS} events"}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=240, help="of a thousand events, each of another host")
    parser.add_argument("--runs", type=int, default=3, help="the least of as many counts")
    parser.add_argument("--untold", action="store_true", help="no networks are known as own")
    parser.add_argument("--fold-only", action="store_true", help="nothing is stored")
    options = parser.parse_args()
    found = rows(options.batches, options.runs, told=not options.untold, store=not options.fold_only)
    sys.stdout.write("".join(json.dumps(row) + "\n" for row in found))


if __name__ == "__main__":
    main()
