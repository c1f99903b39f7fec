"""`unenroll`: take this host's identity and spool away, after saying what is still unsent."""

from __future__ import annotations

import argparse

from .. import identity
from ..command import FAULT, FINE, Command, Invocation
from ..enrolment import reset
from ..layout import Layout
from ..spool import survey
from ..spool.disk import LocalDisk


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="also when statements are not yet acknowledged")


def _run(call: Invocation) -> int:
    layout = Layout(call.settings().state)
    stored = identity.read(layout)
    waiting = survey.survey(LocalDisk(), layout.spool).waiting
    if waiting and not call.options.force:
        call.console.error(
            f"{waiting} statements are not acknowledged yet: run `vedette-agent spool flush` first, "
            "or use --force and lose them"
        )
        return FAULT
    gone = reset.remove(layout)
    if call.console.as_json:
        call.console.value({"agent": stored.agent, "deleted": [str(path) for path in gone]})
    else:
        call.console.line(f"agent {stored.agent} is no more on this host; revoke it at the collector:")
        call.console.line(f"  vedette-collector agents revoke {stored.agent}")
    return FINE


COMMAND = Command("unenroll", "delete this host's identity and spool", _run, _arguments)
