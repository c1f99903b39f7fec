"""Has rpm list the files of all its packages, read in portions, so that nobody waits for the whole."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Generator

FORMAT = r"[%{=NAME}\t%{=VERSION}-%{=RELEASE}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"
_PORTION = 64 << 10
_WAIT = 0.02
"""Seconds that one step waits for rpm to say something."""
_PATIENCE = 60.0
_BYTES = 512 << 20


def listed(rpm: str) -> Generator[bytes, None, bool]:
    """Yield whole lines of `FORMAT`, nothing where none came yet; return whether rpm listed all."""
    try:
        process = subprocess.Popen(
            [rpm, "-qa", "--qf", FORMAT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
    except OSError:
        return False
    try:
        return (yield from _portions(process))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _portions(process: subprocess.Popen[bytes]) -> Generator[bytes, None, bool]:
    """Yield as `listed` does; what takes too long, or is too much, has not ended well."""
    rest, total, end = b"", 0, time.monotonic() + _PATIENCE
    while process.stdout is not None and total <= _BYTES and time.monotonic() < end:
        if not select.select([process.stdout], [], [], _WAIT)[0]:
            yield b""
            continue
        data = process.stdout.read(_PORTION)
        if not data:
            yield rest
            return process.wait(_PATIENCE) == 0
        total += len(data)
        whole, newline, rest = (rest + data).rpartition(b"\n")
        yield whole + newline
    return False
