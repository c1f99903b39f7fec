"""`user list`: who may log in, and as what."""

from __future__ import annotations

from .. import paths
from ..command import FINE, Command, Invocation
from ..questions import moments
from ..state_db import StateDb
from ..users import Users


def _run(call: Invocation) -> int:
    rows = Users(StateDb(paths.of(call.settings()).state_db)).rows()
    if call.terminal.as_json:
        call.terminal.value(rows)
        return FINE
    cells = [
        (row.name, row.role.value, moments.to_iso(row.created)[:16], "disabled" if row.disabled else "active")
        for row in rows
    ]
    call.terminal.table(("USER", "ROLE", "SINCE", "STATE"), cells)
    return FINE


COMMAND = Command("user list", "list the users", _run)
