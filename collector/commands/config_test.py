"""`config test`: is the configuration right, before anything is restarted with it."""

from __future__ import annotations

from .. import settings_file
from ..command import FINE, Command, Invocation


def _run(call: Invocation) -> int:
    settings_file.load(call.config, required=True)
    names = [str(path) for path in settings_file.files(call.config)]
    call.terminal.answer({"valid": True, "files": names}, f"{', '.join(names)}: valid")
    return FINE


COMMAND = Command("config test", "check the configuration, with file and line of what is wrong", _run)
