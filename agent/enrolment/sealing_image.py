"""Make a host fit to be copied: nothing that binds it to one machine or one identity stays."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import AgentError, IdentityError
from ..kernel import pin_folders
from ..layout import Layout
from ..settings import Settings
from . import reset
from .token_source import ENVIRONMENT_FILE, WAITED_FOR

UNITS = ("vedette-enroll.service", "vedette-watch.service", "vedette-ship.service")
MACHINE_ID = Path("/etc/machine-id")
TOKENS = (WAITED_FOR, ENVIRONMENT_FILE)
_STOP_SECONDS = 60.0


def stop() -> None:
    """Stop the agent's units; where there is no systemd there is nothing to stop.

    Raises:
        AgentError: systemd could not stop them.
    """
    if shutil.which("systemctl") is None:
        return
    try:
        done = subprocess.run(
            ["systemctl", "stop", *UNITS], capture_output=True, text=True, timeout=_STOP_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AgentError(f"systemctl stop: {error}") from error
    failed = [
        line
        for line in done.stderr.splitlines()
        if "not loaded" not in line and "not been booted" not in line
    ]
    if done.returncode != 0 and failed:
        raise AgentError(f"systemctl stop: {failed[0]}")


def clean(settings: Settings, tokens: Sequence[Path] = TOKENS) -> tuple[Path, ...]:
    """Delete identity, receipts, spool, pins, what the last run left, and tokens; return what was deleted.

    tokens are none where the image is to bring one along. Again it deletes nothing.

    Raises:
        AgentError: watch runs; or a file cannot be deleted.
    """
    layout = Layout(settings.state)
    if pin_folders.is_held(layout.watch):
        raise AgentError("watch runs with this identity: stop it first, or use --stop")
    gone = list(reset.remove(layout))
    try:
        for path in _left(settings.runtime):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            gone.append(path)
        for token in (path for path in tokens if path.exists()):
            token.unlink()
            gone.append(token)
    except OSError as error:
        raise IdentityError(f"{error.filename}: {error.strerror}; run as root") from error
    return tuple(gone)


def _left(runtime: Path) -> list[Path]:
    try:
        return sorted(runtime.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def shared_id(path: Path = MACHINE_ID) -> bool:
    """Return whether all copies of this machine would have its machine id."""
    try:
        return path.read_text("ascii", "replace").strip() not in ("", "uninitialized")
    except OSError:
        return False
