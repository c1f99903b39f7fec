"""`vedette version`: which version this is."""

from __future__ import annotations

from ..command import FINE, Call, Command
from ..version import VERSION


def _run(call: Call) -> int:
    if call.screen.as_json:
        call.screen.value({"version": VERSION})
    else:
        call.screen.line(f"vedette {VERSION}")
    return FINE


COMMAND = Command("version", "show the version", _run)
