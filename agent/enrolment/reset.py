"""Take an identity off this host: keys, certificate, receipts and spool; logs and settings stay.

The folder that a package made for watch's user stays, empty: so the next enrolment knows whom to make
files for.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import IdentityError
from ..kernel import pin_folders
from ..layout import Layout, watch_owner


def remove(layout: Layout) -> tuple[Path, ...]:
    """Delete identity and spool and return what was deleted; the identity goes first.

    What still recorded for an agent that was killed ends.

    Raises:
        IdentityError: a file cannot be deleted.
    """
    gone: list[Path] = []
    keeper = watch_owner(layout)
    pin_folders.remove_all(layout.watch)
    try:
        for path in (layout.identity, layout.watch, layout.ship, layout.spool):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
                gone.append(path)
            elif path.exists():
                path.unlink()
                gone.append(path)
        if keeper is not None:
            layout.watch.mkdir(mode=0o700)
            os.chown(layout.watch, keeper.uid, keeper.gid)
    except OSError as error:
        raise IdentityError(
            f"{error.filename}: {error.strerror}; run as root, stop the agent first"
        ) from error
    return tuple(gone)
