"""`config test`: are the configuration and the operator's files right, before anything is restarted."""

from __future__ import annotations

from .. import settings_file
from ..command import FINE, Command, Invocation
from ..organisation import organisation_file


def _run(call: Invocation) -> int:
    settings = settings_file.load(call.config, required=True)
    organisation_file.read(settings)
    read = (*settings_file.files(call.config), *organisation_file.files(settings.organisation))
    names = [str(path) for path in read]
    call.terminal.answer({"valid": True, "files": names}, f"{', '.join(names)}: valid")
    return FINE


COMMAND = Command("config test", "check the configuration, with file and line of what is wrong", _run)
