"""Whether a package transaction is running: dpkg's or rpm's lock is held, as /proc/locks shows it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..decode.package_db import locked_inodes

_LOCKS = ("lock", "lock-frontend")
_RPM = (Path("/var/lib/rpm/.rpm.lock"), Path("/usr/lib/sysimage/rpm/.rpm.lock"))


def transaction_runs(dpkg: Path, locks: Path = Path("/proc/locks")) -> bool:
    """Return whether somebody holds a lock of the dpkg database in that folder, or of rpm's."""
    with suppress(OSError):
        locked = locked_inodes(locks.read_text())
        for path in (*(dpkg / name for name in _LOCKS), *_RPM) if locked else ():
            with suppress(FileNotFoundError):
                found = path.stat()
                if (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino) in locked:
                    return True
    return False
