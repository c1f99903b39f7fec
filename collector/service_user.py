"""Become the user that the collector serves as: root leaves no file that the service cannot use.

Nothing is handed over afterwards: `chown` in a folder that another user can write could be led elsewhere.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

NAME = "vedette-collector"


@dataclass(frozen=True)
class ServiceUser:
    """The user whose the state folder is, or is to be."""

    name: str
    uid: int
    gid: int


def of(state: Path) -> ServiceUser | None:
    """Return whose the state folder is to be; None where that is whoever runs this.

    A folder that has something in it stays its owner's, an empty or missing one is the package's user's.
    """
    if os.geteuid() != 0:
        return None
    try:
        found = state.stat()
        used = any(state.iterdir())
    except FileNotFoundError:
        return named(NAME)
    if found.st_uid != 0:
        return _by_id(found.st_uid, found.st_gid)
    return None if used else named(NAME)


def named(name: str) -> ServiceUser | None:
    """Return the user of this name, None where there is none."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServiceUser(name, found.pw_uid, found.pw_gid)


def become(user: ServiceUser, state: Path) -> None:
    """Make the state folder theirs and give up root for good.

    Raises:
        OSError: the folder cannot be made, or this process is not root.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(state, user.uid, user.gid, follow_symlinks=False)
    os.setgroups([])
    os.setgid(user.gid)
    os.setuid(user.uid)


def _by_id(uid: int, gid: int) -> ServiceUser:
    try:
        return ServiceUser(pwd.getpwuid(uid).pw_name, uid, gid)
    except KeyError:
        return ServiceUser(str(uid), uid, gid)
