"""A lake of a generated fleet's month for the bench of tune: three days folded, then written over again.

Attribution, rules and columns are the pipeline's own for the three days. The days after are the same rows
with later times, other boots and entries, as Parquet files of the same shape: folding a whole month takes ten
times as long. So alerts repeat every three days, and their counts mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import msgspec

from collector.analysis import Analysis
from collector.lake import snapshot
from collector.lake.lake import Lake
from collector.lake.shelf import Commit
from collector.lake.snapshot import Snapshot
from collector.organisation.known import Known
from collector.pipeline import tables
from collector.pipeline.fold import Fold, Folded
from collector.settings import Detection, OrganisationFiles, Settings
from range.fleet.month import Month
from range.fleet.settings import Settings as Fleet
from tests.bench import month as bench_month

DAYS = 3
DAY = 86_400_000_000_000
_COMMIT = 100_000
_TICK = 3600 * 10**9
"""How often rules are asked what did not happen; only the lake is wanted."""
_KEPT = "month.json"
_SEQ = 100_000_000
_FORM = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 15360"
_LATER = {
    "events": ("time", "received"),
    "batches": ("first_time", "last_time", "received", "sent"),
    "sessions": ("opened", "closed", "revised"),
}
_BOOT = "CASE WHEN boot IS NULL THEN NULL ELSE left(boot, length(boot) - 2) || '{:02x}' END AS boot"


class Made(msgspec.Struct, frozen=True):
    """A lake: its snapshot, how many events, the days it is of (UTC ns), and what the operator told.

    folded events of them are not copies; sealed are the bytes of the ledger's entries that those came in.
    """

    snapshot: str
    events: int
    since: int
    until: int
    told: str
    folded: int
    sealed: int


def options(description: str | None) -> argparse.ArgumentParser:
    """Return the options of everything that is measured over such a lake."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="where the rows go besides standard output")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="folder of the lake: made if it is not there, and kept")
    return parser


def tell(given: argparse.Namespace, measure: Callable[[Path], Sequence[dict[str, object]]]) -> None:
    """Print the rows of what is measured over the lake in the folder that was given, or in one for now."""
    folder = given.keep or Path(tempfile.mkdtemp(prefix="vedette-lake-", dir="/var/tmp"))
    try:
        rows = measure(folder)
    finally:
        if given.keep is None:
            shutil.rmtree(folder)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    sys.stdout.write(text)
    if given.json is not None:
        given.json.write_text(text)


def make(folder: Path, events: int, seed: int = 1) -> Made:
    """Return the lake in folder, which is made where it is not there yet."""
    kept = folder / _KEPT
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Made)
    month = Month(Fleet(seed=seed, days=DAYS))
    settings = bench_month.tell(month, folder / "organisation.d")
    first, stored, sealed = _fold(month, bench_month.known(settings), own(folder), events)
    copies = max(1, -(-events // stored))
    path, begin = folder / "snapshot.json", month.settings.begin
    snapshot.write(path, _repeat(first, folder, copies))
    told = str(settings.organisation.folder)
    made = Made(str(path), stored * copies, begin, begin + copies * DAYS * DAY, told, stored, sealed)
    kept.write_bytes(msgspec.json.encode(made))
    return made


def own(folder: Path) -> Path:
    """Return where the lake of the folded days is."""
    return folder / "lake"


def known(made: Made) -> Known:
    """Return what the operator of the fleet told."""
    return bench_month.known(Settings(organisation=OrganisationFiles(folder=Path(made.told))))


def _fold(month: Month, known: Known, folder: Path, most: int) -> tuple[Snapshot, int, int]:
    """Fold the days, at most so many events; return the lake's snapshot, how many, and their sealed bytes."""
    gc.set_threshold(1_000_000, 20, 100)
    lake, fold, stored, waiting = Lake(folder), Fold(Analysis(Detection(), known), _TICK), 0, 0
    pending: list[Folded] = []
    sealed = 0
    for item in bench_month.items(month):
        folded, _ = fold.feed(item)
        if folded is None:
            continue
        sealed += len(item.payload) + len(item.data or b"")
        pending.append(folded)
        waiting += len(folded.persons)
        if waiting >= _COMMIT or stored + waiting >= most:
            _store(lake, pending, fold.position)
            stored, waiting = stored + waiting, 0
        if stored >= most:
            break
    _store(lake, pending, fold.position)
    lake.merge()
    shown = lake.snapshot(fold.position, month.settings.begin)
    lake.close()
    return shown, stored + waiting, sealed


def _store(lake: Lake, pending: list[Folded], position: int) -> None:
    lake.commit(Commit(tables.rows(pending), position, tables.texts(pending)))
    pending.clear()


def _repeat(first: Snapshot, folder: Path, copies: int) -> Snapshot:
    """Return a snapshot with the rows so many times, each three days later."""
    written: dict[str, tuple[str, ...]] = dict(first.tables)
    connection = duckdb.connect()
    for copy in range(1, copies):
        for name in _LATER:
            for number, path in enumerate(first.tables[name]):
                target = str(folder / f"{name}-{copy:02}-{number:04}.parquet")
                rows = f"SELECT * REPLACE ({_later(name, copy, first.position)}) FROM read_parquet('{path}')"  # noqa: S608 - own
                connection.execute(f"COPY ({rows}) TO '{target}' ({_FORM})")
                written[name] = (*written[name], target)
    return msgspec.structs.replace(first, tables=written)


def _later(name: str, copy: int, entries: int) -> str:
    """Return the columns of a table that are others in a copy."""
    changed = [f"{one} + {copy * DAYS * DAY} AS {one}" for one in _LATER[name]] + [_BOOT.format(copy)]
    if name != "sessions":
        changed += [f"ledger_index + {copy * entries} AS ledger_index", f"seq + {copy} * {_SEQ} AS seq"]
    return ", ".join(changed)
