"""Who types a command on this machine: the login identity kept through sudo and su, else the user."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

_NOT_SET = 0xFFFF_FFFF


def author() -> str:
    """Return the account name, ``uid:N`` where there is none."""
    login = _login_uid()
    uid = os.getuid() if login is None else login
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


def _login_uid() -> int | None:
    """Return the kernel's login uid; None where it was never set: that is not root."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _NOT_SET else uid
