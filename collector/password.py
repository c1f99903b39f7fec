"""Read a password from a file or stdin; never from the command line, where everybody on the host sees it."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from .errors import CollectorError

_LIMIT = 4096
_STDIN = Path("-")


def read_password(file: Path | None) -> str:
    """Return the first line of file; None or ``-`` is stdin, where a person at a terminal is asked.

    Raises:
        CollectorError: it is empty or too long.
        OSError: it cannot be read.
    """
    if file is not None and file != _STDIN:
        with file.open(encoding="utf-8") as source:
            line = source.readline(_LIMIT)
    elif sys.stdin.isatty():
        line = getpass.getpass("Password: ")
    else:
        line = sys.stdin.readline(_LIMIT)
    password = line.rstrip("\r\n")
    if not password or len(line) >= _LIMIT:
        raise CollectorError(
            "no password, or one of more than 4,000 characters; pass it on stdin's first line"
        )
    return password
