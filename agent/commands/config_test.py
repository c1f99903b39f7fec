"""`config test`: is the configuration right, before anything is restarted with it."""

from __future__ import annotations

from .. import settings_file
from ..command import FINE, Command, Invocation


def _run(call: Invocation) -> int:
    settings = settings_file.load(call.config, required=True)
    files = [str(path) for path in settings_file.files(call.config)]
    if call.console.as_json:
        call.console.value({"valid": True, "files": files, "sha256": settings_file.digest(settings)})
    else:
        call.console.line(f"{', '.join(files)}: valid")
    return FINE


COMMAND = Command("config test", "check the configuration, with file and line of what is wrong", _run)
