"""`agents list`: every host that enrolled."""

from __future__ import annotations

from .. import paths
from ..command import FINE, Command, Invocation
from ..enrolment import roll
from ..questions import moments

_HEADS = ("AGENT", "HOST", "ENROLLED", "STATE", "TOKEN", "LABELS", "SUCCESSOR OF")


def _run(call: Invocation) -> int:
    rows = roll.enrolments(paths.of(call.settings())).rows()
    if call.terminal.as_json:
        call.terminal.value(rows)
        return FINE
    cells = [
        (
            *(row.agent, row.host, moments.to_iso(row.time)[:16], "revoked" if row.revoked else "enrolled"),
            *(row.token, " ".join(f"{key}={value}" for key, value in row.labels.items()), row.successor_of),
        )
        for row in rows
    ]
    call.terminal.table(_HEADS, cells)
    return FINE


COMMAND = Command("agents list", "list the enrolled hosts", _run)
