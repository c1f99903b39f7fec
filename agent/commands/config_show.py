"""`config show`: the settings in force, defaults included, and which of them the fleet's policy says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .. import settings_file
from ..command import FINE, Command, Invocation
from ..policy import policy_shown


def _run(call: Invocation) -> int:
    local = call.settings()
    held = policy_shown.held(local)
    effective = settings_file.effective(held.settings if held is not None else local)
    said = dict.fromkeys(held.names, f"policy {held.name} {held.version}") if held is not None else {}
    if call.console.as_json:
        call.console.value(effective | ({"from_policy": said} if said else {}))
    else:
        for line in _toml(effective, said):
            call.console.line(line)
    return FINE


def _toml(table: dict[str, Any], said: dict[str, str], name: str = "") -> Iterable[str]:
    """Yield the lines; said tells of some settings where they come from."""
    for key, value in table.items():
        if not isinstance(value, dict):
            origin = said.get(name + key)
            comment = f"  # {origin}" if origin is not None else ""
            yield f"{key} = {msgspec.json.encode(value).decode()}{comment}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"\n[{name}{key}]"
            yield from _toml(value, said, f"{name}{key}.")


COMMAND = Command("config show", "show the settings in force, as TOML", _run)
