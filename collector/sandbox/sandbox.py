"""An analyst's own SQL in a disposable process: one statement, bounded in time, memory, rows and bytes.

The worker (`sandbox_worker`) gets the query on stdin and answers on stdout; it is killed when its time is
up, and with this process. Whatever it does, acknowledgements, the pipeline and other queries go on.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..errors import QueryError
from .disposable import converse

SQL_LIMIT = 16_384
"""Characters of a statement."""
ANSWER_LIMIT = 64 << 20
"""Bytes of a worker's answer."""


class Limits(msgspec.Struct, frozen=True):
    """What one query may use."""

    seconds: float
    memory_bytes: int
    rows: int


class Task(msgspec.Struct, frozen=True):
    """What the worker is told: the statement, the snapshot to answer from, and its limits."""

    sql: str
    snapshot: str
    limits: Limits


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the worker answers: columns with their types, and rows; or the error's message."""

    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: tuple[tuple[msgspec.Raw, ...], ...] = ()
    truncated: bool = False
    error: str | None = None


_decoder = msgspec.json.Decoder(Answer)


def run(sql: str, snapshot: Path, limits: Limits) -> Answer:
    """Return the answer to one SELECT or EXPLAIN over the snapshot's views events, alerts and batches.

    Raises:
        QueryError: the statement is wrong, not allowed, or used up its time or memory.
    """
    if len(sql) > SQL_LIMIT:
        raise QueryError(f"sql: {len(sql)} characters, at most {SQL_LIMIT}")
    task = msgspec.json.encode(Task(sql, str(snapshot), limits))
    said = converse("sandbox.sandbox_worker", task, limits.seconds, ANSWER_LIMIT)
    if said.late:
        raise QueryError(
            f"sql: stopped after {limits.seconds:g} s, the limit; narrow it, for instance by time or host"
        )
    if len(said.raw) > ANSWER_LIMIT:
        raise QueryError(f"sql: the answer has more than {ANSWER_LIMIT >> 20} MiB; select less")
    try:
        answer = _decoder.decode(said.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        how = f"status {said.status}, {len(said.raw)} bytes"
        raise QueryError(
            f"sql: the query's process ended without an answer ({how}); "
            f"it may have needed more than {limits.memory_bytes >> 20} MiB"
        ) from error
    if answer.error is not None:
        raise QueryError(f"sql: {answer.error}")
    return answer
