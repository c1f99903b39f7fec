"""`token list`: which tokens there are, what is left of them, and who used them last."""

from __future__ import annotations

import time

from .. import paths
from ..command import FINE, Command, Invocation
from ..enrolment.tokens import TokenRow, Tokens
from ..questions import moments
from ..state_db import StateDb

_HEADS = ("TOKEN", "STATE", "LEFT", "EXPIRES", "NETWORKS", "AUTHOR", "LAST USED", "BY")


def _run(call: Invocation) -> int:
    rows = Tokens(StateDb(paths.of(call.settings()).state_db)).rows()
    if call.terminal.as_json:
        call.terminal.value(rows)
        return FINE
    now = time.time_ns()
    call.terminal.table(_HEADS, [_cells(row, now) for row in rows])
    return FINE


def _cells(row: TokenRow, now: int) -> tuple[str | None, ...]:
    return (
        *(row.id, _state(row, now), f"{row.uses_left}/{row.uses}", moments.to_iso(row.expires)[:16]),
        *(" ".join(row.networks) or "any", row.author),
        moments.to_iso(row.last_used)[:16] if row.last_used else None,
        f"{row.last_host} {row.last_address}" if row.last_host else None,
    )


def _state(row: TokenRow, now: int) -> str:
    if row.revoked is not None:
        return "revoked"
    if row.expires <= now:
        return "expired"
    return "good" if row.uses_left else "used up"


COMMAND = Command("token list", "list enrolment tokens and who used them last", _run)
