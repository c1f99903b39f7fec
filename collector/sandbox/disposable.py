"""Work in a disposable process: a task on its stdin, an answer on its stdout; killed when its time is up."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..errors import QueryError

_ROOT = str(Path(__file__).resolve().parents[2])


class Spoken(msgspec.Struct, frozen=True):
    """What a process said, the status it ended with, and whether it was killed for being late."""

    raw: bytes
    status: int
    late: bool


@contextlib.contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Hold lock, a file, meanwhile, so that what is done there takes the memory of one such work only.

    Raises:
        QueryError: another holds it.
    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise QueryError(f"{what}: another is being worked on; try again when that is done") from error
        yield


def converse(module: str, task: bytes, seconds: float, answer_limit: int) -> Spoken:
    """Run ``main()`` of a module of this package, and return what it said, one byte above the limit at most.

    It is isolated from the environment, and killed with whatever happens here.
    """
    start = f"import sys; sys.path.insert(0, {_ROOT!r}); from collector.{module} import main; main()"
    late = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-I", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    ) as worker:
        timer = threading.Timer(seconds, _stop, (worker, late))
        timer.start()
        try:
            raw = _exchange(worker, task, answer_limit)
        finally:
            timer.cancel()
            worker.kill()
    return Spoken(raw, worker.returncode, late.is_set())


def _stop(worker: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    worker.kill()


def _exchange(worker: subprocess.Popen[bytes], task: bytes, answer_limit: int) -> bytes:
    if worker.stdin is None or worker.stdout is None:
        raise QueryError("the query's process has no pipes")
    with contextlib.suppress(BrokenPipeError):  # a worker that died at once is told by its missing answer
        worker.stdin.write(task)
        worker.stdin.close()
    return worker.stdout.read(answer_limit + 1)
