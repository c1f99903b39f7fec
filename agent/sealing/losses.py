"""What was lost, by cause: told as agent.loss events at most once a minute, and signed in statements.

Pure and bounded: causes and producers beyond a fixed number are counted together.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence import statement
from evidence.kinds.agent import Loss

_CAUSES = 32
_PRODUCERS = 64
_KINDS = 10
_TOP = 3
_REST = "other"
_SPACING = 60_000_000_000
_SIGNED_BYTES = 1000
"""Bytes of losses in one statement; an envelope holds 4 KiB in all."""
_NAME, _PRODUCER = 64, 300
"""Characters of a cause or kind, and of a producer."""


class Lost(msgspec.Struct, frozen=True):
    """What is gone: which sensor's (or `watch`'s), why, how many (None: unknown), from and to in UTC ns."""

    sensor: str
    cause: str
    count: int | None
    from_: int | None
    to: int | None
    kind: str | None = None
    producer: str | None = None
    suggestion: str | None = None
    top: dict[str, int] | None = None


class _Gathered:
    """Losses of one sensor and cause since they were last told."""

    def __init__(self, first: Lost) -> None:
        self.sensor, self.cause = first.sensor, first.cause
        self.count: int | None = None
        self.from_, self.to = first.from_, first.to
        self.kinds: dict[str, int] = {}
        self.top: dict[str, int] = {}
        self.suggestion = first.suggestion

    def add(self, lost: Lost) -> None:
        if lost.count is not None:
            self.count = (self.count or 0) + lost.count
            _count(self.kinds, (lost.kind or self.sensor)[:_NAME], lost.count, _KINDS)
            if lost.producer is not None:
                _count_producer(self.top, lost.producer, lost.count)
        for producer, count in (lost.top or {}).items():
            _count_producer(self.top, producer, count)
        self.from_ = _least(self.from_, lost.from_)
        self.to = _most(self.to, lost.to)

    def event(self) -> Loss:
        named = ((name, count) for name, count in self.top.items() if name != _REST)
        top = sorted(named, key=lambda item: -item[1])[:_TOP]
        return Loss(
            sensor=self.sensor,
            cause=self.cause,
            count=self.count,
            from_=self.from_,
            to=self.to,
            top=dict(top) or None,
            suggestion=self.suggestion,
        )

    def signed(self) -> statement.Loss:
        return statement.Loss(f"{self.sensor}: {self.cause}"[:_NAME], self.from_, self.to, self.kinds)


class LossBook:
    """Losses not yet told and not yet signed."""

    def __init__(self) -> None:
        self._untold: dict[tuple[str, str], _Gathered] = {}
        self._told_at: dict[tuple[str, str], int] = {}
        self._unsigned: dict[str, statement.Loss] = {}
        self._changed = False

    def changed(self) -> bool:
        """Return whether anything was noted since the last call."""
        changed, self._changed = self._changed, False
        return changed

    def waiting(self) -> tuple[statement.Loss, ...]:
        """Return all that no statement has signed yet, as it would be signed."""
        found = dict(self._unsigned)
        for gathered in self._untold.values():
            loss = gathered.signed()
            known = found.get(loss.cause)
            found[loss.cause] = loss if known is None else _joined(known, loss)
        return tuple(found.values())

    def add(self, lost: Lost) -> None:
        """Note a loss."""
        self._changed = True
        key = (lost.sensor, lost.cause)
        if key not in self._untold and len(self._untold) >= _CAUSES:
            lost = msgspec.structs.replace(lost, sensor="watch", cause=_REST)
            key = (lost.sensor, lost.cause)
        if key not in self._untold:
            self._untold[key] = _Gathered(lost)
        self._untold[key].add(lost)

    def sign(self, losses: Iterable[statement.Loss]) -> None:
        """Note losses for the next statement alone: the blind interval, or what a failed append gave back."""
        for loss in losses:
            self._changed = True
            known = self._unsigned.get(loss.cause)
            self._unsigned[loss.cause] = loss if known is None else _joined(known, loss)

    def events(self, now: int, *, all_of_them: bool = False) -> list[Loss]:
        """Return what to tell now (UTC ns): a cause at once the first time, then at most once a minute."""
        due = [
            key
            for key in self._untold
            if all_of_them or abs(now - self._told_at.get(key, -_SPACING)) >= _SPACING
        ]
        if len(self._told_at) > 2 * _CAUSES:
            self._told_at.clear()
        told: list[Loss] = []
        for key in due:
            gathered = self._untold.pop(key)
            self._told_at[key] = now
            self.sign([gathered.signed()])
            told.append(gathered.event())
        return told

    def take(self) -> tuple[statement.Loss, ...]:
        """Remove and return what the next statement signs: as much as fits, the rest follows."""
        taken: list[statement.Loss] = []
        room = _SIGNED_BYTES
        for cause in list(self._unsigned):
            size = len(msgspec.json.encode(self._unsigned[cause]))
            if size > room:
                continue
            room -= size
            taken.append(self._unsigned.pop(cause))
        return tuple(taken)

    @property
    def pending(self) -> bool:
        """Whether a loss waits to be signed."""
        return bool(self._unsigned)


def _joined(one: statement.Loss, two: statement.Loss) -> statement.Loss:
    counts = dict(one.counts)
    for kind, count in two.counts.items():
        _count(counts, kind, count, _KINDS)
    return statement.Loss(one.cause, _least(one.from_, two.from_), _most(one.to, two.to), counts)


def _least(one: int | None, two: int | None) -> int | None:
    if one is None or two is None:
        return two if one is None else one
    return min(one, two)


def _most(one: int | None, two: int | None) -> int | None:
    if one is None or two is None:
        return two if one is None else one
    return max(one, two)


def _count(counts: dict[str, int], name: str, more: int, bound: int) -> None:
    if name not in counts and len(counts) >= bound:
        name = _REST
    counts[name] = counts.get(name, 0) + more


def _count_producer(counts: dict[str, int], name: str, more: int) -> None:
    """Count for a producer. A full table gives up its lesser half: many names shall hide no loud one."""
    name = name[:_PRODUCER]
    if name not in counts and len(counts) >= _PRODUCERS:
        for lesser in sorted(counts, key=counts.__getitem__)[: _PRODUCERS // 2]:
            if lesser != _REST:
                counts[_REST] = counts.get(_REST, 0) + counts.pop(lesser)
    counts[name] = counts.get(name, 0) + more
