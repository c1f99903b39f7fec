"""`version`: what is installed."""

from __future__ import annotations

from ..command import FINE, Command, Invocation
from ..version import VERSION


def _run(call: Invocation) -> int:
    call.terminal.answer({"name": "vedette-collector", "version": VERSION}, f"vedette-collector {VERSION}")
    return FINE


COMMAND = Command("version", "print the version", _run)
