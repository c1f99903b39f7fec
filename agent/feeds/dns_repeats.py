"""Which DNS exchanges are told: the first of its kind at once, its repeats as one count each minute. Pure.

"Of its kind" is the same process, name, type and result. A process that asks many different questions is
told up to a limit each minute; how many more there were is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from evidence.kinds.dns import Query

from ..gathered import Gathered

MINUTE = 60_000_000_000
_QUESTIONS, _PROCESSES = 8192, 1024

_Process = tuple[int | None, int | None]
_Key = tuple[_Process, str, str, int | None]


class Repeated(msgspec.Struct):
    """A question that was told at began, how often it was asked since, and the last of these."""

    began: int
    count: int = 0
    mono: int = 0
    last: Query | None = None


class _Share(msgspec.Struct):
    began: int
    told: int = 0


class Repeats:
    """Questions of the last minute, and how many of each process were told; both tables are bounded."""

    def __init__(
        self, per_minute: int, questions: int = _QUESTIONS, kept: Gathered[Repeated] | None = None
    ) -> None:
        """Tell up to per_minute different questions of one process; remember so many questions.

        kept holds the repeats that a former run did not tell.
        """
        self._per_minute = per_minute
        self._limit = questions
        self._kept = kept if kept is not None else Gathered(Repeated)
        self._questions: OrderedDict[_Key, Repeated] = OrderedDict()
        self._processes: OrderedDict[_Process, _Share] = OrderedDict()
        for one in sorted(self._kept, key=lambda one: one.began):
            if one.last is not None:
                self._questions[_key(one.last)] = one
        self.untold = 0
        """Questions beyond a process's limit, and repeats forgotten for want of room, since start."""

    def __len__(self) -> int:
        """Return how many questions are remembered."""
        return len(self._questions)

    def first(self, body: Query, mono: int) -> bool:
        """Return whether body, asked at mono (ns), is to be told now."""
        key = _key(body)
        known = self._questions.get(key)
        if known is not None and mono - known.began < MINUTE:
            known.count, known.mono, known.last = known.count + 1, mono, body
            self._kept.put(_text(key), known)
            return False
        if not self._within(key[0], mono):
            self.untold += 1
            return False
        self._forget(key)
        self._questions[key] = Repeated(mono)
        if len(self._questions) > self._limit:
            self._forget(next(iter(self._questions)))
        return True

    def due(self, mono: int) -> Iterator[tuple[int, Query]]:
        """Yield repeats of what was told a minute before mono or longer: when the last was, and how many."""
        while self._questions:
            key, oldest = next(iter(self._questions.items()))
            if mono - oldest.began < MINUTE:
                return
            yield from self._told(key)

    def rest(self) -> Iterator[tuple[int, Query]]:
        """Yield all repeats; nothing more will be asked."""
        for key in tuple(self._questions):
            yield from self._told(key)

    def _told(self, key: _Key) -> Iterator[tuple[int, Query]]:
        found = self._questions.pop(key)
        self._kept.drop(_text(key))
        if found.last is not None:
            yield found.mono, msgspec.structs.replace(found.last, count=found.count)

    def _forget(self, key: _Key) -> None:
        forgotten = self._questions.pop(key, None)
        if forgotten is not None:
            self._kept.drop(_text(key))
            self.untold += forgotten.count

    def _within(self, process: _Process, mono: int) -> bool:
        share = self._processes.get(process)
        if share is None or mono - share.began >= MINUTE:
            share = self._processes[process] = _Share(mono)
            self._processes.move_to_end(process)
            if len(self._processes) > _PROCESSES:
                self._processes.popitem(last=False)
        share.told += 1
        return share.told <= self._per_minute


def _key(body: Query) -> _Key:
    process = (None, None) if body.actor is None else (body.actor.pid, body.actor.start)
    return process, body.name, body.type, body.rcode


def _text(key: _Key) -> str:
    (pid, start), name, kind, rcode = key
    return f"{pid} {start} {kind} {rcode} {name}"
