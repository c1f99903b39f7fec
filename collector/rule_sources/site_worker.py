"""The process that tries one file of the site's detections on its examples and ends: bounded, no network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from ..sandbox.sandbox_worker import confine, keep_stdout

SECONDS = 20.0
"""For one file; its examples take milliseconds."""
MEMORY_BYTES = 512 << 20


class Task(msgspec.Struct, frozen=True):
    """The file, and its content."""

    path: str
    data: bytes


class Verdict(msgspec.Struct, frozen=True):
    """What is wrong with it; None: nothing."""

    wrong: str | None


def main() -> None:
    """Answer the task on stdin to what is stdout at the start; what the file prints goes nowhere."""
    from ..analysis import Analysis  # noqa: PLC0415 - as above
    from ..settings import Detection as Settings  # noqa: PLC0415 - as above
    from . import site_file  # noqa: PLC0415 - the rest of the package imports this module for its types

    answers = keep_stdout()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    confine(SECONDS, MEMORY_BYTES)
    try:
        wrong = site_file.tried(
            Path(task.path), task.data, lambda rule: Analysis(Settings(), site_rules=(rule,))
        )
    except MemoryError:
        wrong = f"{task.path}: needs more than {MEMORY_BYTES >> 20} MiB"
    with answers:
        answers.write(msgspec.json.encode(Verdict(wrong)))
    os._exit(0)  # threads the file may have started need not end
