"""Where the lake stands: numbered folders below one root, of which one is current.

A replay fills the next one and then makes it current in one step; readers of the old one have their grace.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from .. import files
from ..errors import StoreError

_NAME = re.compile(r"[0-9]{6}")
_CURRENT = "current"
_POLL_SECONDS = 0.05


@contextlib.contextmanager
def owned(root: Path, patience: float = 0.0) -> Iterator[None]:
    """Be the lake's one owner while the context lasts; wait patience seconds for a former one to end.

    Raises:
        StoreError: another process is.
    """
    files.make_folder(root)
    with (root / "lock").open("a") as lock:
        end = time.monotonic() + patience
        try:
            while not _locks(lock, last=time.monotonic() >= end):
                time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise StoreError(f"{root}: in use by another process; stop the collector first") from error
        yield


def _locks(lock: TextIO, *, last: bool) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if last:
            raise
        return False
    return True


def current(root: Path) -> Path:
    """Return the folder of the current lake; the first one where nothing was stored yet."""
    try:
        name = (root / _CURRENT).read_text().strip()
    except FileNotFoundError:
        return root / "000001"
    if not _NAME.fullmatch(name):
        raise StoreError(f"{root / _CURRENT}: {name[:80]!r} names no lake; run vedette-collector replay")
    return root / name


def following(root: Path) -> Path:
    """Return an empty place for the next lake; what an earlier, broken-off replay left there is deleted."""
    folder = root / f"{int(current(root).name) + 1:06d}"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def make_current(folder: Path) -> None:
    """Make folder the current lake, durably and in one step."""
    files.write(folder.parent / _CURRENT, folder.name.encode() + b"\n")


def drop_others(root: Path, now: float, grace_seconds: float) -> None:
    """Delete lakes that are not current, once the current one is it for grace_seconds; now is in seconds."""
    marker = root / _CURRENT
    if not marker.exists() or marker.stat().st_mtime + grace_seconds > now:
        return
    kept = current(root).name
    for folder in root.iterdir():
        if folder.is_dir() and _NAME.fullmatch(folder.name) and folder.name != kept:
            shutil.rmtree(folder, ignore_errors=True)
