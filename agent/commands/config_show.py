"""`config show`: the settings in force, defaults included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .. import settings_file
from ..command import FINE, Command, Invocation


def _run(call: Invocation) -> int:
    effective = settings_file.effective(call.settings())
    if call.console.as_json:
        call.console.value(effective)
    else:
        for line in _toml(effective):
            call.console.line(line)
    return FINE


def _toml(table: dict[str, Any], name: str = "") -> Iterable[str]:
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {msgspec.json.encode(value).decode()}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"\n[{name}{key}]"
            yield from _toml(value, f"{name}{key}.")


COMMAND = Command("config show", "show the settings in force, as TOML", _run)
