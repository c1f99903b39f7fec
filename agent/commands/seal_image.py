"""`seal-image`: make this host fit to be copied, so that each copy gets an identity of its own."""

from __future__ import annotations

import argparse

from ..command import FAULT, FINE, Command, Invocation
from ..enrolment import sealing_image
from ..enrolment.sealing_image import MACHINE_ID, TOKENS
from ..enrolment.token_source import WAITED_FOR
from ..layout import Layout
from ..spool import survey
from ..spool.disk import LocalDisk


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stop", action="store_true", help="stop the agent's units first")
    parser.add_argument("--force", action="store_true", help="also when statements are not yet acknowledged")
    parser.add_argument(
        "--keep-token",
        action="store_true",
        help=f"leave {WAITED_FOR}: each copy enrols with it at its first boot",
    )


def _run(call: Invocation) -> int:
    settings = call.settings()
    if call.options.stop:
        sealing_image.stop()
    waiting = _waiting(Layout(settings.state))
    if waiting and not call.options.force:
        call.console.error(
            f"{waiting} statements are not acknowledged yet: run `vedette-agent spool flush` first, "
            "or use --force and lose them"
        )
        return FAULT
    gone = sealing_image.clean(settings, () if call.options.keep_token else TOKENS)
    shared = sealing_image.shared_id()
    if call.console.as_json:
        call.console.value({"deleted": [str(path) for path in gone], "machine_id": shared})
        return FINE
    call.console.line("this host may be copied: each copy enrols at its first boot, with a token of its own")
    if shared:
        call.console.warn(
            f"all copies would have one machine id: `truncate -s 0 {MACHINE_ID}` before you copy"
        )
    return FINE


def _waiting(layout: Layout) -> int:
    return survey.survey(LocalDisk(), layout.spool).waiting if layout.identity.exists() else 0


COMMAND = Command(
    "seal-image", "make this host fit to be copied: no identity, no spool, no token", _run, _arguments
)
