"""Account names by uid, from the passwd file alone: a directory service may hang, and the watch must not."""

from __future__ import annotations

from pathlib import Path

from .decode.passwd import names_by_uid

PASSWD = Path("/etc/passwd")
_LIMIT = 4 << 20


class Accounts:
    """The passwd file, read anew when it changed."""

    def __init__(self, path: Path = PASSWD) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._names: dict[int, str] = {}

    def name(self, uid: int) -> str | None:
        """Return the account's name; None where the file does not have it or cannot be read."""
        try:
            found = self._path.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp != self._stamp:
                with self._path.open("rb") as file:
                    self._names = names_by_uid(file.read(_LIMIT))
                self._stamp = stamp
        except OSError:
            return None
        return self._names.get(uid)
