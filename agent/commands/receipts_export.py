"""`receipts export`: what this host knows of the ledger, for `vedette verify --trust`.

The lines are those of `evidence.host_receipts`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from evidence import host_receipts
from evidence.checkpoint import parse_vkey
from evidence.errors import EvidenceError
from evidence.host_receipts import Acknowledged, Host, Note

from .. import identity
from ..command import FINE, FOUND, Command, Invocation
from ..errors import IdentityError, SpoolError
from ..layout import Layout
from ..spool import survey
from ..spool.disk import LocalDisk
from ..spool.witness import Witness


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
    raw = host_receipts.encode(_lines(stored, witness, disk, layout))
    try:
        if call.options.out is None:
            sys.stdout.write(raw.decode())
        else:
            call.options.out.write_bytes(raw)
    except OSError as error:
        raise SpoolError(f"receipts: {error}") from error
    if witness.alarm is not None:
        call.console.warn(f"the ledger contradicted itself: {witness.alarm.reason}")
        return FOUND
    return FINE


def _lines(
    stored: identity.Stored, witness: Witness, disk: LocalDisk, layout: Layout
) -> Iterator[Host | Note | Acknowledged]:
    heads = survey.read_heads(disk, layout.spool)
    yield Host(
        stored.agent,
        stored.epoch,
        stored.public,
        str(witness.key),
        time.time_ns(),
        stored.entry,
        {"priority": heads.priority.head, "bulk": heads.bulk.head} if heads else {},
        witness.alarm.reason if witness.alarm else None,
    )
    yield Note(0, stored.checkpoint)
    for restored in witness.restored:
        if restored.note is not None:
            yield Note(restored.time, restored.note)
    for verified, note in witness.checkpoints():
        yield Note(verified, note)
    for received, one in witness.acknowledged():
        lost = witness.lost_with(received, one)
        log = parse_vkey(lost.former).name if lost else None
        yield Acknowledged(received, one.lane, one.seq, one.digest, one.index, one.size, log)


COMMAND = Command("receipts export", "hand out what this host knows of the ledger", _run, _arguments)
