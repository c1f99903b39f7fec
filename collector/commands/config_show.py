"""`config show`: the settings in force, defaults included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .. import settings_file
from ..command import FINE, Command, Invocation


def _run(call: Invocation) -> int:
    effective = settings_file.effective(call.settings())
    call.terminal.answer(effective, "\n".join(_toml(effective)))
    return FINE


def _toml(table: dict[str, Any], prefix: str = "") -> Iterable[str]:
    """Yield table as lines of TOML: its own values first, then its tables under their full names."""
    for key, value in table.items():
        if value is not None and not isinstance(value, dict):
            yield f"{key} = {msgspec.json.encode(value).decode()}"
    for key, value in table.items():
        if isinstance(value, dict):
            name = f"{prefix}{msgspec.json.encode(key).decode()}" if not key.isidentifier() else prefix + key
            yield f"\n[{name}]"
            yield from _toml(value, f"{name}.")


COMMAND = Command("config show", "show the settings in force, as TOML", _run)
