"""`spool status`: what waits to be sent, what was dropped, and how shipping goes."""

from __future__ import annotations

from .. import identity
from ..command import FINE, FOUND, Command, Invocation
from ..layout import Layout
from ..spool import inbox, survey
from ..spool.disk import LocalDisk


def _run(call: Invocation) -> int:
    settings = call.settings()
    layout = Layout(settings.state)
    identity.read(layout)
    disk = LocalDisk()
    found = survey.survey(disk, layout.spool)
    state = inbox.read_state(disk, layout.inbox)
    degraded = found.progress.frozen or found.without_data > 0 or bool(state and state.problem)
    if call.console.as_json:
        call.console.value({"spool": found, "ship": state, "max_bytes": settings.spool.max_bytes})
        return FOUND if degraded else FINE
    call.console.line(f"{found.bytes} of {settings.spool.max_bytes} bytes, {found.waiting} statements wait")
    if found.heads is not None:
        heads = found.heads
        call.console.line(f"heads: priority {heads.priority.head.seq}, bulk {heads.bulk.head.seq}")
    if found.progress.seen is not None:
        call.console.line(f"newest checkpoint verified: {found.progress.seen.size} entries")
    if found.without_data:
        call.console.line(f"{found.without_data} statements wait without their data: it was given up")
    if found.progress.frozen:
        call.console.line(
            "the ledger contradicted itself: nothing is deleted; `vedette-agent receipts export`"
        )
    if state is not None and state.problem:
        call.console.line(f"ship: {state.problem}")
    return FOUND if degraded else FINE


COMMAND = Command("spool status", "show what waits to be sent", _run)
