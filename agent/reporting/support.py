"""What `doctor --bundle` puts into a file for support: figures, settings and findings, without a secret.

Nothing recorded about people goes in: no event, no command line, no key. Every text is redacted under a key
that is thrown away, so that what looks like a secret in a setting or an error cannot even be compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from .. import settings, settings_file
from ..errors import AgentError
from ..layout import Layout
from ..redaction import Redactor
from ..settings import Settings
from ..spool import inbox, survey
from ..spool.disk import LocalDisk
from ..version import VERSION
from . import status
from .doctor import Finding

_FILES = (
    "/etc/os-release",
    "/proc/version",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/pressure/memory",
    "/proc/self/mountinfo",
    "/sys/kernel/security/lsm",
    "/proc/sys/kernel/unprivileged_bpf_disabled",
)
_FILE_LIMIT = 65_536
_PROCESS_FILES = ("status", "limits", "cgroup", "schedstat")


def bundle(config: Settings, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the file's content, redacted; a part that cannot be had says why instead."""
    places, disk = Layout(config.state), LocalDisk()
    parts: dict[str, Callable[[], Any]] = {
        "findings": lambda: list(findings),
        "settings": lambda: settings_file.effective(config),
        "status": lambda: status.read(config.runtime),
        "spool": lambda: survey.survey(disk, places.spool),
        "ship": lambda: inbox.read_state(disk, places.inbox),
        "processes": lambda: _processes(status.read(config.runtime).pid),
        "host": lambda: {name: _text(Path(name)) for name in _FILES},
    }
    redactor = Redactor(os.urandom(32), settings.Redaction())
    return {"version": VERSION, **{name: _clean(_part(get), redactor) for name, get in parts.items()}}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the file, readable by its owner alone; an existing one is not replaced.

    Raises:
        AgentError: it exists, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    except OSError as error:
        raise AgentError(f"{path}: {error.strerror}; name a new file in a folder you may write") from error


def _part(get: Callable[[], Any]) -> Any:
    try:
        return msgspec.to_builtins(get(), enc_hook=str)
    except (OSError, ValueError, AgentError) as error:
        return {"missing": str(error)}


def _processes(watch: int) -> dict[str, dict[str, str]]:
    """Return what /proc tells of watch and its sisters."""
    parent = next(
        line.split()[1]
        for line in _text(Path(f"/proc/{watch}/status")).splitlines()
        if line.startswith("PPid:")
    )
    pids = [parent, *_text(Path(f"/proc/{parent}/task/{parent}/children")).split()]
    return {pid: {name: _text(Path(f"/proc/{pid}/{name}")) for name in _PROCESS_FILES} for pid in pids}


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        return f"not readable: {error.strerror}"


def _clean(value: Any, redactor: Redactor) -> Any:
    """Return value with every text in it redacted, line by line."""
    if isinstance(value, str):
        return "\n".join(redactor.text(line) for line in value.split("\n"))
    if isinstance(value, dict):
        return {name: _clean(item, redactor) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, redactor) for item in value]
    return value
