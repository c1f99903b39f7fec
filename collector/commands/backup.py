"""`backup`: ledger, keys, CA, settings, users and tokens in one file, while the collector serves."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from .. import paths
from ..backup import backing_up
from ..command import FINE, Command, Invocation
from ..errors import NotSetUp


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help="a new file, or a folder for one with the time",
    )


def _run(call: Invocation) -> int:
    places = paths.of(call.settings())
    if not places.identity.exists():
        raise NotSetUp(f"{places.root}: nothing is set up here; run `vedette-collector setup`")
    now = time.time_ns()
    to: Path = call.options.to
    if to.is_dir():
        to /= f"vedette-{datetime.fromtimestamp(now / 1e9, UTC):%Y%m%dT%H%M%SZ}.backup"
    manifest = backing_up.back_up(places, call.config, to, now)
    size = to.stat().st_size
    answer = {"file": str(to), "bytes": size, "entries": manifest.size, "ledger_key": manifest.ledger_key}
    call.terminal.answer(
        answer, f"{to}: {manifest.size} entries of the ledger, {size} bytes; it holds all keys"
    )
    return FINE


COMMAND = Command("backup", "ledger, keys, CA, settings, users and tokens in one file", _run, _arguments)
