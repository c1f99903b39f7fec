"""A hunt in a disposable process: bounded in time and memory, killed when its time is up."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..errors import QueryError
from ..sandbox.disposable import alone, converse
from ..sigma.ruleset import Ruleset
from .hunt import Hunted, Span

ANSWER_LIMIT = 64 << 20
"""Bytes of the process's answer."""


class Limits(msgspec.Struct, frozen=True):
    """What one hunt may use."""

    seconds: float
    memory_bytes: int
    hits: int


class Task(msgspec.Struct, frozen=True):
    """What the process is told: the rules, the snapshot to look into, the span, and its limits."""

    ruleset: Ruleset
    snapshot: str
    span: Span
    limits: Limits


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found, or the error's message."""

    found: Hunted | None = None
    error: str | None = None


_decoder = msgspec.json.Decoder(Answer)


def run(task: Task, lock: Path) -> Hunted:
    """Return what the rules find; lock is the file that lets one run at a time.

    Raises:
        QueryError: another runs, it took too long, needed too much memory, or failed.
    """
    with alone(lock, "hunt"):
        said = converse("hunting.hunt_worker", msgspec.json.encode(task), task.limits.seconds, ANSWER_LIMIT)
    if said.late:
        raise QueryError(f"hunt: stopped after {task.limits.seconds:g} s, the limit; take a shorter time")
    try:
        answer = _decoder.decode(said.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueryError(f"hunt: its process ended without an answer (status {said.status})") from error
    if answer.found is None:
        raise QueryError(f"hunt: {answer.error}")
    return answer.found
