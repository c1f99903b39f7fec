"""The lock that marks a state folder as served: one server at a time, and commands know that there is one."""

from __future__ import annotations

import fcntl
import os

from . import files
from .errors import CollectorError
from .paths import Paths

_NAME = "serve.lock"
_TRIES, _PAUSE_SECONDS = 10, 0.05
"""A command that asks whether the folder is served holds the lock for a moment."""


def take(paths: Paths) -> None:
    """Take the lock; the kernel drops it when this process and its children have ended.

    Raises:
        CollectorError: another `serve` runs with this state.
    """
    files.make_folder(paths.run)
    lock = os.open(paths.run / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise CollectorError(
            f"{paths.root}: `vedette-collector serve` runs already with this state"
        ) from error


def is_served(paths: Paths) -> bool:
    """Tell whether somebody holds the lock."""
    try:
        lock = os.open(paths.run / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
