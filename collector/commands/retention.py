"""`retention`: delete events' data older than some days; statements and proofs stay for ever."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path

import msgspec

from evidence import decision
from evidence.decision import Retention, Setting
from evidence.entry import EntryType

from .. import paths
from ..author import author
from ..chains.projection import HOLD
from ..command import FINE, Command, Invocation
from ..errors import CollectorError
from ..ledger.disk import Disk
from ..ledger.reader import LedgerReader
from ..ledger_access import ledger_client, retention

_DAY = 86_400 * 1_000_000_000


def _arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--days", type=int, metavar="N", help="delete data that came more than N days ago")
    what.add_argument("--hold", metavar="FIRST-LAST", help="keep the data of these entries from now on")
    what.add_argument("--release", metavar="FIRST-LAST", help="end such a hold")
    parser.add_argument("--reason", help="why; it stands in the ledger for ever")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def _run(call: Invocation) -> int:
    options = call.options
    if options.reason is None and not options.dry_run:
        raise CollectorError("retention: --reason is missing; it is recorded in the ledger")
    if options.days is None:
        return _hold(call, options.hold or options.release, "on" if options.hold else "off")
    if options.days < 0:
        raise CollectorError("retention: --days is below 0")
    return _expire(call, options.days)


def _hold(call: Invocation, entries: str, value: str) -> int:
    first, last = decision.index_range(entries)
    if call.options.dry_run:
        call.terminal.answer(
            {"first": first, "last": last, "hold": value}, f"entries {first} to {last}: hold {value}"
        )
        return FINE
    setting = Setting(HOLD, value, time.time_ns(), author()[:64], call.options.reason, f"{first}-{last}")
    with closing(ledger_client.connect(call.settings())) as ledger:
        index = ledger.append(EntryType.SETTING, msgspec.json.encode(setting)).index
    text = f"entries {first} to {last}: hold {value}, by entry {index}"
    call.terminal.answer({"first": first, "last": last, "hold": value, "entry": index}, text)
    return FINE


def _expire(call: Invocation, days: int) -> int:
    settings = call.settings()
    folder: Path = paths.of(settings).ledger
    now = time.time_ns()
    with closing(LedgerReader(folder)) as reader:
        old = retention.old_segments(folder, reader.size(), now - days * _DAY, retention.decided(reader))
    total = sum(one.bytes for one in old)
    if old and not call.options.dry_run:
        said = Retention(first=0, last=0, time=now, author=author()[:64], reason=call.options.reason)
        with closing(ledger_client.connect(settings)) as ledger:
            retention.expire(ledger, folder, old, said, Disk())
    verb = "would delete" if call.options.dry_run else "deleted"
    ranges = ", ".join(f"{one.first} to {one.last}" for one in old)
    text = f"{verb} {total} bytes of data, of entries {ranges}" if old else "nothing is old enough"
    call.terminal.answer({"segments": old, "bytes": total, "dry_run": call.options.dry_run}, text)
    return FINE


COMMAND = Command("retention", "delete old data; the record of it stays", _run, _arguments)
