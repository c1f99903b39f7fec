"""Asks rpm for its list of packages without waiting for it: started by one call, fetched by a later one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import IO

_FORMAT = r"%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n"
_LIMIT = 64 << 20
PATIENCE = 60_000_000_000
"""Nanoseconds after which rpm counts as hung."""


class RpmQuery:
    """At most one rpm runs at a time; root is the folder that is / for it."""

    def __init__(self, root: str, rpm: str | None = None) -> None:
        self._root = root
        self._rpm = rpm or shutil.which("rpm")
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._began = 0

    @property
    def available(self) -> bool:
        """Whether there is an rpm to ask."""
        return self._rpm is not None

    def ask(self, now: int) -> bytes | None:
        """Start rpm, or return its list where it has ended well; None: ask again in a while.

        Raises:
            OSError: it cannot be started, failed, or takes too long.
        """
        if self._process is None:
            self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close, in a later call
            command = [self._rpm or "rpm", "--root", self._root, "-qa", "--qf", _FORMAT]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.DEVNULL
            )
            self._began = now
            return None
        code = self._process.poll()
        if code is None and now - self._began < PATIENCE:
            return None
        listed = self._listed() if code == 0 else None
        self.close()
        if listed is None:
            raise OSError("rpm takes too long" if code is None else f"rpm ended with {code}")
        return listed

    def close(self) -> None:
        """End an rpm that runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._output is not None:
            self._output.close()
        self._process = self._output = None

    def _listed(self) -> bytes | None:
        if self._output is None:
            return None
        self._output.seek(0)
        return self._output.read(_LIMIT)
