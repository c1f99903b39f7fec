"""`spool flush`: wait until everything in the spool is acknowledged, or say what is in the way."""

from __future__ import annotations

import argparse
import time

from .. import identity
from ..command import FINE, FOUND, Command, Invocation
from ..layout import Layout
from ..spool import inbox, survey
from ..spool.disk import LocalDisk
from ..spool.heads import Heads

_PAUSE = 0.5


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="give up (60)")


def _run(call: Invocation) -> int:
    layout = Layout(call.settings().state)
    identity.read(layout)
    disk = LocalDisk()
    until = time.monotonic() + call.options.timeout
    goal = survey.read_heads(disk, layout.spool)
    while True:
        left = _left(disk, layout, goal)
        if not left or time.monotonic() >= until:
            break
        time.sleep(_PAUSE)
    state = inbox.read_state(disk, layout.inbox)
    problem = state.problem if state else "ship has not run yet; start `vedette-agent run`"
    if call.console.as_json:
        call.console.value({"waiting": left, "problem": problem if left else None})
    elif left:
        call.console.line(f"{left} statements still wait; {problem or 'no problem is known'}")
    else:
        call.console.line("everything up to now is acknowledged")
    return FOUND if left else FINE


def _left(disk: LocalDisk, layout: Layout, goal: Heads | None) -> int:
    """Count the statements up to goal that are not acknowledged."""
    if goal is None:
        return 0
    told = survey.read_progress(disk, layout.spool)
    return sum(
        item.seq <= goal.mark(name.lane).head.seq and not told.acked(name.lane).covers(item.seq)
        for name, item in survey.stored(disk, layout.spool)
    )


COMMAND = Command("spool flush", "wait until everything is acknowledged", _run, _arguments)
