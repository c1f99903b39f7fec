"""`receipts export`: what this host knows of the ledger, as JSON lines for `vedette verify --trust`.

One line of type `host` (agent, epoch, ledger key, enrolment entry, heads, alarm), then lines of type
`checkpoint` (a signed note and when it was verified) and `receipt` (lane, seq, digest, leaf index, tree size).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from evidence.checkpoint import parse_vkey
from evidence.errors import EvidenceError

from .. import identity
from ..command import FINE, FOUND, Command, Invocation
from ..errors import IdentityError, SpoolError
from ..layout import Layout
from ..spool import survey
from ..spool.disk import LocalDisk
from ..witness import Witness


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="write here instead of standard output")


def _run(call: Invocation) -> int:
    layout = Layout(call.settings().state)
    stored = identity.read(layout)
    disk = LocalDisk()
    try:
        ledger = parse_vkey(stored.ledger)
    except EvidenceError as error:
        raise IdentityError(f"{layout.identity}: {error}") from error
    witness = Witness(layout.memory, ledger, disk, stored.checkpoint)
    lines = _lines(stored, witness, disk, layout)
    try:
        if call.options.out is None:
            for line in lines:
                sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        else:
            with call.options.out.open("wb") as out:
                for line in lines:
                    out.write(msgspec.json.encode(line) + b"\n")
    except OSError as error:
        raise SpoolError(f"receipts: {error}") from error
    if witness.alarm is not None:
        call.console.warn(f"the ledger contradicted itself: {witness.alarm.reason}")
        return FOUND
    return FINE


def _lines(
    stored: identity.Stored, witness: Witness, disk: LocalDisk, layout: Layout
) -> Iterator[dict[str, Any]]:
    heads = survey.read_heads(disk, layout.spool)
    yield {
        "type": "host",
        "agent": stored.agent,
        "epoch": stored.epoch,
        "public": stored.public,
        "entry": stored.entry,
        "ledger": stored.ledger,
        "heads": {"priority": heads.priority.head, "bulk": heads.bulk.head} if heads else None,
        "alarm": witness.alarm,
    }
    yield {"type": "checkpoint", "time": None, "note": stored.checkpoint}
    for time, note in witness.checkpoints():
        yield {"type": "checkpoint", "time": time, "note": note}
    for time, one in witness.acknowledged():
        yield {"type": "receipt", "time": time, **msgspec.to_builtins(one)}


COMMAND = Command("receipts export", "hand out what this host knows of the ledger", _run, _arguments)
