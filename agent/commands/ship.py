"""`ship`: send what watch sealed, in the foreground, as its unit does."""

from __future__ import annotations

import os

from ..command import FINE, Command, Invocation
from ..settings import Settings
from ..shipping.ship_process import ShipProcess
from ..supervision import own_log, process
from ..supervision.notify import Notifier
from ..supervision.signals import StopSignals


def ship(settings: Settings, notifier: Notifier | None = None) -> int:
    """Ship until SIGTERM or SIGINT; notifier tells the manager of a unit of its own.

    Raises:
        NotEnrolled: this host has no identity yet.
        IdentityError: it has one that does not fit this machine.
    """
    signals = StopSignals()
    try:
        ShipProcess(settings, notifier or Notifier({})).run(signals)
    finally:
        signals.close()
    return FINE


def _run(call: Invocation) -> int:
    process.be_shown_as("vedette-ship")
    process.give_back_memory()
    with own_log.limited():
        return ship(call.settings(), Notifier(os.environ))


COMMAND = Command("ship", "send what watch sealed (needs no privilege)", _run)
