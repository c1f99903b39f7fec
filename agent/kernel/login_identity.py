"""The kernel's login uid and audit session of a process, from /proc."""

from __future__ import annotations

from pathlib import Path

import msgspec

_UNSET = 0xFFFFFFFF


class Identity(msgspec.Struct, frozen=True):
    """Login uid and audit session; None where unset or unknown."""

    auid: int | None = None
    session: int | None = None


def read_identity(pid: int, proc: Path = Path("/proc")) -> Identity:
    """Return what the kernel says of pid now; nothing of a process that is gone or has never logged in."""
    return Identity(_number(proc / str(pid) / "loginuid"), _number(proc / str(pid) / "sessionid"))


def _number(path: Path) -> int | None:
    try:
        value = int(path.read_text())
    except (OSError, ValueError):
        return None
    return None if value == _UNSET else value
