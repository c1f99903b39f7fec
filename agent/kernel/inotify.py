"""One inotify instance for folders, without a library between: names need not be text, masks differ."""

from __future__ import annotations

import ctypes
import os

from ..decode.inotify import Notice, parse
from ..errors import RungUnavailable

_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_READ = 64 << 10


class Inotify:
    """Watches of folders; the descriptor is readable when something happened in one."""

    def __init__(self) -> None:
        """Open the instance.

        Raises:
            RungUnavailable: there can be no more instances for this user.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self._fd < 0:
            reason = os.strerror(ctypes.get_errno())
            raise RungUnavailable(
                f"no inotify instance: {reason}", "sysctl -w fs.inotify.max_user_instances=512"
            )

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._fd

    def add(self, folder: bytes, mask: int) -> int:
        """Watch a folder, or give its watch another mask; return the watch.

        Raises:
            OSError: it is gone, no folder, or there can be no more watches.
        """
        watch: int = self._libc.inotify_add_watch(self._fd, folder, ctypes.c_uint32(mask))
        if watch < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), os.fsdecode(folder))
        return watch

    def remove(self, watch: int) -> None:
        """Watch no longer; one that is gone is no error."""
        self._libc.inotify_rm_watch(self._fd, watch)

    def read(self) -> list[Notice]:
        """Return the notices so far, of one read."""
        try:
            return list(parse(os.read(self._fd, _READ)))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Give the instance back."""
        os.close(self._fd)
