"""`ship`: send what watch sealed, in the foreground, as its unit does."""

from __future__ import annotations

from .. import own_log
from ..command import FINE, Command, Invocation
from ..settings import Settings
from ..ship_process import ShipProcess
from ..signals import StopSignals


def ship(settings: Settings) -> int:
    """Ship until SIGTERM or SIGINT.

    Raises:
        NotEnrolled: this host has no identity yet.
        IdentityError: it has one that does not fit this machine.
    """
    signals = StopSignals()
    try:
        ShipProcess(settings).run(signals)
    finally:
        signals.close()
    return FINE


def _run(call: Invocation) -> int:
    with own_log.limited():
        return ship(call.settings())


COMMAND = Command("ship", "send what watch sealed (needs no privilege)", _run)
