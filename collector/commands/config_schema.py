"""`config schema`: the JSON Schema of the settings, for editors and for configuration management."""

from __future__ import annotations

from .. import settings_file
from ..command import FINE, Command, Invocation


def _run(call: Invocation) -> int:
    call.terminal.value(settings_file.schema())
    return FINE


COMMAND = Command("config schema", "print the JSON Schema of the settings", _run)
