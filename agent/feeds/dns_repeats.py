"""Which DNS exchanges are told: the first of its kind at once, its repeats as one count each minute. Pure.

"Of its kind" is the same process, name, type and result. A process that asks many different questions is
told up to a limit each minute; how many more there were is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from evidence.kinds.dns import Query

MINUTE = 60_000_000_000
_QUESTIONS, _PROCESSES = 8192, 1024

_Process = tuple[int | None, int | None]
_Key = tuple[_Process, str, str, int | None]


@dataclass
class _Repeats:
    began: int
    count: int = 0
    mono: int = 0
    last: Query | None = None


@dataclass
class _Share:
    began: int
    told: int = 0


class Repeats:
    """Questions of the last minute, and how many of each process were told; both tables are bounded."""

    def __init__(self, per_minute: int, questions: int = _QUESTIONS) -> None:
        """Tell up to per_minute different questions of one process; remember so many questions."""
        self._per_minute = per_minute
        self._limit = questions
        self._questions: OrderedDict[_Key, _Repeats] = OrderedDict()
        self._processes: OrderedDict[_Process, _Share] = OrderedDict()
        self.untold = 0
        """Questions beyond a process's limit, and repeats forgotten for want of room, since start."""

    def __len__(self) -> int:
        """Return how many questions are remembered."""
        return len(self._questions)

    def first(self, body: Query, mono: int) -> bool:
        """Return whether body, asked at mono (ns), is to be told now."""
        process = (None, None) if body.actor is None else (body.actor.pid, body.actor.start)
        key = (process, body.name, body.type, body.rcode)
        known = self._questions.get(key)
        if known is not None and mono - known.began < MINUTE:
            known.count, known.mono, known.last = known.count + 1, mono, body
            return False
        if not self._within(process, mono):
            self.untold += 1
            return False
        self._forget(key)
        self._questions[key] = _Repeats(mono)
        if len(self._questions) > self._limit:
            self._forget(next(iter(self._questions)))
        return True

    def due(self, mono: int) -> Iterator[tuple[int, Query]]:
        """Yield repeats of what was told a minute before mono or longer: when the last was, and how many."""
        while self._questions:
            key, oldest = next(iter(self._questions.items()))
            if mono - oldest.began < MINUTE:
                return
            del self._questions[key]
            if oldest.last is not None:
                yield oldest.mono, msgspec.structs.replace(oldest.last, count=oldest.count)

    def _forget(self, key: _Key) -> None:
        forgotten = self._questions.pop(key, None)
        if forgotten is not None:
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
