"""The process that tries values of a parameter on stored history, and ends: bounded, of low priority."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from ..errors import CollectorError
from ..organisation.known import Known
from ..rule import Detection, Rule, Site
from ..rule_sources import site_file
from ..rules.rulebook import for_all
from ..sandbox.sandbox_worker import confine, keep_stdout
from ..sigma import replayed
from .history import Entry, Span
from .tune import Answer, Task
from .tuning import Context, History, replay

_NICE = 10
_GC_THRESHOLD = 1_000_000
"""Records make no cycles; what is looked for in vain costs a tenth of the time."""


def main() -> None:
    """Answer the task on stdin to what is stdout at the start; nothing else comes there."""
    answers = keep_stdout()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    os.nice(_NICE)
    gc.set_threshold(_GC_THRESHOLD)
    confine(task.limits.seconds, task.limits.memory_bytes)
    try:
        answer = _answer(task)
    except MemoryError:
        answer = Answer(error="it needs more memory than it may have; take a shorter time with --since")
    with answers:
        answers.write(msgspec.json.encode(answer))
    os._exit(0)  # DuckDB need not tidy up a database in memory


class _Counted:
    """Entries as they pass by, and how many events were in them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self.events = 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.events += len(entry.records)
            yield entry


def _rule(task: Task) -> Rule:
    """Return the rule to try.

    Raises:
        SettingsError: the site's file is not to be trusted any more.
    """
    from ..rules import rule_folders  # noqa: PLC0415 - only after the process is confined

    if task.sigma is not None:
        return replayed.as_rule(task.sigma)
    site: tuple[Detection, ...] = ()
    if task.file is not None:
        path = Path(task.file)
        site = (site_file.execute(path, site_file.content(path)),)
    return next(one for one in rule_folders.tunable(site) if one.id == task.wanted.rule)


def _answer(task: Task) -> Answer:
    import duckdb  # noqa: PLC0415 - only after the process is confined

    from ..lake import snapshot  # noqa: PLC0415 - as above
    from . import history  # noqa: PLC0415 - as above

    try:
        rule = _rule(task)
    except CollectorError as error:
        return Answer(error=str(error))
    known = Known(task.organisation)
    site = Site(for_all(task.book, task.told), known)
    try:
        connection = snapshot.connect(snapshot.read(Path(task.snapshot)))
        connection.execute(f"SET memory_limit='{task.limits.memory_bytes}B'")
        connection.execute("SET threads=1")
        connection.execute("SET temp_directory=''")
        past, first = history.sessions(connection), history.first(connection)
        routed = (
            history.Routed(rule, site, replayed.condition(task.sigma))
            if task.sigma is not None
            else history.routed(connection, rule, site)
        )
        entries = _Counted(history.entries(connection, routed, past, Span(task.begin, task.until)))
        context = Context(task.told, task.book, known)
        outcomes = replay(rule, task.wanted, context, History(entries, past.revisions), task.since)
    except duckdb.Error as error:
        return Answer(error=str(error).splitlines()[0])
    except CollectorError as error:
        return Answer(error=str(error))
    except Exception as error:  # noqa: BLE001 - whatever a rule does with such a value is told
        return Answer(error=f"{rule.id} fails with one of these values: {type(error).__name__}: {error}")
    return Answer(tuple(outcomes), entries.events, first)
