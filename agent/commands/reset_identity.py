"""`reset-identity`: on a cloned machine, drop the copied identity and spool, to enrol as itself."""

from __future__ import annotations

from ..command import FINE, Command, Invocation
from ..enrolment import reset
from ..layout import Layout


def _run(call: Invocation) -> int:
    gone = reset.remove(Layout(call.settings().state))
    if call.console.as_json:
        call.console.value({"deleted": [str(path) for path in gone]})
    elif gone:
        call.console.line("the old identity is gone; now run `vedette-agent enroll` with a new token")
    else:
        call.console.line("there was no identity; run `vedette-agent enroll`")
    return FINE


COMMAND = Command("reset-identity", "drop a copied identity, to enrol anew", _run)
