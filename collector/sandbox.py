"""An analyst's own SQL in a disposable process: one statement, bounded in time, memory, rows and bytes.

The worker (`sandbox_worker`) gets the query on stdin and answers on stdout; it is killed when its time is
up, and with this process. Whatever it does, acknowledgements, the pipeline and other queries go on.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from .errors import QueryError

SQL_LIMIT = 16_384
"""Characters of a statement."""
ANSWER_LIMIT = 64 << 20
"""Bytes of a worker's answer."""
_ROOT = str(Path(__file__).resolve().parents[1])
_START = f"import sys; sys.path.insert(0, {_ROOT!r}); from collector.sandbox_worker import main; main()"


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
    raw, status, late = _converse(task, limits.seconds)
    if late:
        raise QueryError(
            f"sql: stopped after {limits.seconds:g} s, the limit; narrow it, for instance by time or host"
        )
    if len(raw) > ANSWER_LIMIT:
        raise QueryError(f"sql: the answer has more than {ANSWER_LIMIT >> 20} MiB; select less")
    try:
        answer = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueryError(
            f"sql: the query's process ended without an answer (status {status}, {len(raw)} bytes); "
            f"it may have needed more than {limits.memory_bytes >> 20} MiB"
        ) from error
    if answer.error is not None:
        raise QueryError(f"sql: {answer.error}")
    return answer


def _converse(task: bytes, seconds: float) -> tuple[bytes, int, bool]:
    """Return the worker's output, its exit status, and whether it was killed for being late."""
    late = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-I", "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    ) as worker:
        timer = threading.Timer(seconds, _stop, (worker, late))
        timer.start()
        try:
            raw = _exchange(worker, task)
        finally:
            timer.cancel()
            worker.kill()
    return raw, worker.returncode, late.is_set()


def _stop(worker: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    worker.kill()


def _exchange(worker: subprocess.Popen[bytes], task: bytes) -> bytes:
    if worker.stdin is None or worker.stdout is None:
        raise QueryError("sql: the query's process has no pipes")
    with contextlib.suppress(BrokenPipeError):  # a worker that died at once is told by its missing answer
        worker.stdin.write(task)
        worker.stdin.close()
    return worker.stdout.read(ANSWER_LIMIT + 1)
