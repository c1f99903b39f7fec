"""Which trees and sensitive files this user can look into: an agent without root watches the rest."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def can_look_into(path: bytes | Path) -> bool:
    """Return whether a folder can be listed and entered, a file read; True for what does not exist."""
    try:
        mode = Path(os.fsdecode(path)).stat().st_mode
    except PermissionError:
        return False
    except OSError:
        return True
    return os.access(path, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0), effective_ids=True)


def is_folder(path: bytes | Path) -> bool:
    """Return whether there is a folder at path, as far as this user can see."""
    try:
        return Path(os.fsdecode(path)).is_dir()
    except PermissionError:
        return False


def matches(pattern: str) -> Iterator[Path]:
    """Yield what an absolute pattern means now; one without wildcards means itself, there or not."""
    yield from Path("/").glob(pattern.lstrip("/")) if glob.has_magic(pattern) else (Path(pattern),)


def barred(pattern: str) -> Iterator[Path]:
    """Yield the folders on the way to a pattern's files that this user cannot look into."""
    for parent in reversed(Path(pattern).parents):
        for folder in matches(str(parent)):
            reachable = can_look_into(folder.parent)
            if reachable and not can_look_into(folder):
                yield folder
