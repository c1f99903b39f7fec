"""A threshold tried on stored history: values shared among disposable processes, and compared."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from ..errors import QueryError
from ..organisation.known import Organisation
from ..rule import Value
from ..rules.parameters import Described
from ..rules.rulebook import Book, Parameters
from ..sandbox.disposable import alone, converse
from ..sigma.ruleset import Ruleset
from . import forecast
from .forecast import Expected
from .tuning import Outcome, Told, Wanted

ANSWER_LIMIT = 128 << 20
"""Bytes of a worker's answer."""
WORKERS_LIMIT = 4
SHOWN_LIMIT = 200
"""Alerts gained, and lost, that are named."""
_ALERTING = frozenset({"medium", "high", "critical"})


class Limits(msgspec.Struct, frozen=True):
    """What one process may use."""

    seconds: float
    memory_bytes: int


class Task(msgspec.Struct, frozen=True):
    """What a worker is told: what to try, on which entries (collector's clock, UTC ns), with what in force.

    Entries from begin on are shown to the rule, those from since on count. file is that of a rule of the
    site; sigma a correlation of Sigma's with its rules.
    """

    wanted: Wanted
    snapshot: str
    begin: int
    since: int
    until: int
    told: Parameters
    book: Book
    organisation: Organisation
    limits: Limits
    file: str | None = None
    sigma: Ruleset | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What each value gave, and how many events the rule was shown; or the error's message.

    first is when the oldest entry that is stored was received, UTC ns; None where there is none.
    """

    outcomes: tuple[Outcome, ...] = ()
    events: int = 0
    first: int | None = None
    error: str | None = None


class Changed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Alerts that one value gives and the other does not: how many, by label of triage, and the first."""

    count: int
    labels: dict[str, int]
    first: tuple[Told, ...]


class Tuned(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found; wanted is the value asked about, recommended the one for the budget."""

    parameter: Described
    current: Value
    days: int
    since: int
    until: int
    points: tuple[Expected, ...]
    alerting: bool
    events: int
    seconds: float
    wanted: Value | None = None
    gained: Changed | None = None
    lost: Changed | None = None
    recommended: Value | None = None
    budget: float | None = None


_answers = msgspec.json.Decoder(Answer)


def run(task: Task, lock: Path) -> Answer:
    """Return what each value gives; lock is the file that lets one run at a time.

    Raises:
        QueryError: another runs, it took too long, needed too much memory, or the rule fails on an event.
    """
    values = task.wanted.values
    workers = max(1, min(WORKERS_LIMIT, os.cpu_count() or 1, len(values)))
    shares = [msgspec.structs.replace(task.wanted, values=values[at::workers]) for at in range(workers)]
    with alone(lock, "tune"), ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(_one, [msgspec.structs.replace(task, wanted=share) for share in shares]))
    outcomes = [one for answer in answers for one in answer.outcomes]
    return Answer(
        tuple(sorted(outcomes, key=lambda one: float(one.value))), answers[0].events, answers[0].first
    )


def _one(task: Task) -> Answer:
    said = converse("tuning.tune_worker", msgspec.json.encode(task), task.limits.seconds, ANSWER_LIMIT)
    if said.late:
        raise QueryError(
            f"tune: stopped after {task.limits.seconds:g} s, the limit; take a shorter time with --since"
        )
    try:
        answer = _answers.decode(said.raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise QueryError(
            f"tune: its process ended without an answer (status {said.status}); "
            f"it may have needed more than {task.limits.memory_bytes >> 20} MiB"
        ) from error
    if answer.error is not None:
        raise QueryError(f"tune: {answer.error}")
    return answer


def compared(answer: Answer, task: Task, about: Described, current: Value, seconds: float) -> Tuned:
    """Return what the values let expect of days to come; days before anything was stored do not count."""
    since = min(max(task.since, answer.first or 0), task.until - 1)
    points = tuple(
        forecast.expected(one.value, forecast.days([each.time for each in one.told], since, task.until))
        for one in answer.outcomes
    )
    alerting = any(each.severity in _ALERTING for one in answer.outcomes for each in one.told)
    days = len(points[0].by_day)
    return Tuned(about, current, days, since, task.until, points, alerting, answer.events, seconds)


def changed(answer: Answer, value: Value, than: Value, labels: dict[str, str]) -> Changed:
    """Return what value tells that the other value does not."""
    by_value = {each.value: each.told for each in answer.outcomes}
    known = {one.entity for one in by_value[than]}
    more = [one for one in by_value[value] if one.entity not in known]
    counts: dict[str, int] = {}
    for one in more:
        label = labels.get(one.entity)
        if label is not None:
            counts[label] = counts.get(label, 0) + 1
    return Changed(len(more), counts, tuple(more[:SHOWN_LIMIT]))
