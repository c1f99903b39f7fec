"""Why watch ends: a package script left word, the host shuts down, or somebody asked for it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .signals import HAND_OVER

PACKAGE, MANAGER = "ending.package", "ending.manager"
"""Files in the runtime folder: the word of a package, and what systemd said of the system at the stop."""
_LIMIT = 64
_SHUTTING_DOWN = "stopping"


def forget(runtime: Path) -> None:
    """Drop what was left for an earlier end."""
    for name in (PACKAGE, MANAGER):
        with suppress(OSError):
            (runtime / name).unlink(missing_ok=True)


def reason(runtime: Path, signal_name: str | None) -> str | None:
    """Return why watch ends, given the signal that came; None while none did.

    Only root can put a file into the runtime folder beside watch itself.
    """
    if signal_name is None or signal_name == HAND_OVER:
        return signal_name
    package = _word(runtime / PACKAGE)
    if package:
        return f"package {package}"
    if _word(runtime / MANAGER) == _SHUTTING_DOWN:
        return "shutdown of the host"
    return f"stopped by {signal_name}"


def _word(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_LIMIT).decode("ascii", "replace")
    except OSError:
        return ""
    return "".join(letter for letter in text if letter.isprintable()).strip()
