"""The process that hunts through stored events, and ends: bounded, of low priority, without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from ..errors import CollectorError
from ..sandbox.sandbox_worker import confine, keep_stdout
from .hunting import Answer, Task

_NICE = 10


def main() -> None:
    """Answer the task on stdin to what is stdout at the start; nothing else comes there."""
    answers = keep_stdout()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    os.nice(_NICE)
    confine(task.limits.seconds, task.limits.memory_bytes)
    try:
        answer = _answer(task)
    except MemoryError:
        answer = Answer(error="it needs more memory than it may have; take a shorter time")
    with answers:
        answers.write(msgspec.json.encode(answer))
    os._exit(0)  # DuckDB need not tidy up a database in memory


def _answer(task: Task) -> Answer:
    import duckdb  # noqa: PLC0415 - only after the process is confined

    from ..lake import snapshot  # noqa: PLC0415 - as above
    from . import hunt  # noqa: PLC0415 - as above

    try:
        connection = snapshot.connect(snapshot.read(Path(task.snapshot)))
        connection.execute(f"SET memory_limit='{task.limits.memory_bytes}B'")
        connection.execute("SET threads=1")
        connection.execute("SET temp_directory=''")
        return Answer(hunt.search(connection, task.ruleset, task.span, task.limits.hits))
    except duckdb.Error as error:
        return Answer(error=str(error).splitlines()[0])
    except CollectorError as error:
        return Answer(error=str(error))
