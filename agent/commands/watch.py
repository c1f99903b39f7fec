"""`watch`: see the host, in the foreground, as its unit does."""

from __future__ import annotations

from .. import run
from ..command import Command, Invocation
from ..supervision import own_log, process


def _run(call: Invocation) -> int:
    process.be_shown_as("vedette-watch")
    process.give_back_memory()
    with own_log.limited():
        return run.watch(call.settings())


COMMAND = Command("watch", "see this host and seal what happens (needs root to see all)", _run)
