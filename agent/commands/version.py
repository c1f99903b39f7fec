"""`version`: what is installed, and what it runs on."""

from __future__ import annotations

import platform

from ..command import FINE, Command, Invocation
from ..version import VERSION


def _run(call: Invocation) -> int:
    found = {"version": VERSION, "python": platform.python_version(), "kernel": platform.release()}
    if call.console.as_json:
        call.console.value(found)
    else:
        call.console.line(
            f"vedette-agent {found['version']} (Python {found['python']}, Linux {found['kernel']})"
        )
    return FINE


COMMAND = Command("version", "show the version", _run)
