"""The system journal, read through journalctl: one JSON entry a line, after a cursor."""

from __future__ import annotations

import os
import shutil
import subprocess

from ..errors import RungUnavailable

_PROBE_SECONDS = 10
_READ = 64 << 10
_BUFFER = 1 << 20
_AUTH = ("SYSLOG_FACILITY=4", "+", "SYSLOG_FACILITY=10")
"""Facilities auth and authpriv, to which sshd, sudo, su and PAM write."""


def check_journal(command: str = "journalctl") -> tuple[str, bytes]:
    """Return journalctl's path and the journal's last entry, if there is a journal that we may read.

    Raises:
        RungUnavailable: there is no journalctl, no journal, or we may not read it.
    """
    program = shutil.which(command)
    if program is None:
        raise RungUnavailable("no journalctl on PATH", "install systemd, or a syslog daemon")
    try:
        found = _run(program, "-n", "1", "-o", "json")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RungUnavailable(f"journalctl does not answer: {error}") from error
    if not found.startswith(b"{"):
        raise RungUnavailable("no journal that can be read", "start systemd-journald, or run as root")
    return program, found.splitlines()[0]


def _run(program: str, *arguments: str) -> bytes:
    command = [program, "--quiet", "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    return done.stdout


class Journal:
    """A running journalctl that follows the auth facilities from after a cursor."""

    def __init__(self, program: str, cursor: str) -> None:
        self._process, self._output = _follow(program, cursor)
        self._buffer = b""
        self.overlong = 0

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._output

    @property
    def ended(self) -> bool:
        """Whether journalctl has ended, which it does only when something is wrong."""
        return self._process.poll() is not None

    def read(self) -> list[bytes]:
        """Return the entries written since the last call; an entry over 1 MiB is dropped and counted."""
        for _ in range(_BUFFER // _READ):
            try:
                piece = os.read(self.fileno(), _READ)
            except BlockingIOError:
                break
            if not piece:
                break
            self._buffer += piece
        *entries, self._buffer = self._buffer.split(b"\n")
        if len(self._buffer) > _BUFFER:
            self._buffer = b""
            self.overlong += 1
        return entries

    def close(self) -> None:
        """End journalctl."""
        self._process.kill()
        self._process.wait()
        os.close(self._output)


def _follow(program: str, cursor: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start journalctl; return it and the end of the pipe from which its output is read without waiting."""
    output, inward = os.pipe2(os.O_CLOEXEC)
    command = [program, "--quiet", "--no-pager", "-o", "json", "-f", "--after-cursor", cursor, *_AUTH]
    try:
        process = subprocess.Popen(command, stdout=inward, stderr=subprocess.DEVNULL)
    except OSError:
        os.close(output)
        raise
    finally:
        os.close(inward)
    os.set_blocking(output, False)
    return process, output
