"""`checkpoint`: the newest signed checkpoint, and the key that verifies it."""

from __future__ import annotations

from .. import paths
from ..command import FINE, Command, Invocation
from ..ledger.reader import LedgerReader


def _run(call: Invocation) -> int:
    reader = LedgerReader(paths.of(call.settings()).ledger)
    head, note = reader.checkpoint(), reader.note().decode()
    value = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "key": str(reader.key),
        "note": note,
    }
    call.terminal.answer(value, note.rstrip("\n"))
    return FINE


COMMAND = Command("checkpoint", "print the ledger's newest signed checkpoint", _run)
