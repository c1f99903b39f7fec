"""`spool verify`: read every record of the spool and name what is damaged."""

from __future__ import annotations

from .. import identity
from ..command import FINE, FOUND, Command, Invocation
from ..layout import Layout
from ..spool import survey
from ..spool.disk import LocalDisk


def _run(call: Invocation) -> int:
    layout = Layout(call.settings().state)
    identity.read(layout)
    disk = LocalDisk()
    key = identity.read_key(layout.spool_key)
    problems = list(survey.verify(disk, layout.spool, key))
    if call.console.as_json:
        call.console.value({"problems": problems})
    else:
        for problem in problems:
            call.console.line(problem)
        call.console.line(f"{len(problems)} problems" if problems else "the spool is whole")
    return FOUND if problems else FINE


COMMAND = Command("spool verify", "read the whole spool and name what is damaged", _run)
