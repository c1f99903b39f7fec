"""What the settings have the kernel leave out, and how often it did: the maps of kernel/bpf/filter.h."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable

from .. import ignored_programs
from ..kernel.bpf_object import BpfObject
from ..kernel.bpf_table import Table
from ..kernel.procfs import read_process
from ..sensor import Filtered
from ..settings import Ignore
from .tally import Tally

CAUSE = "filtered"
SUGGESTION = "to see it, take it out of `ignore` in the sensor's settings"
OWN = "the agent itself"

_RANGES, _FILTERS = 8, 32
_RANGES_AT, _TOLD_AT, _WORDS = 2, 2 + _RANGES, 2 + _RANGES + _FILTERS
"""In words of struct filters; the first says whether anything is left out, the second whether programs."""
_TOLD, _OWN, _FIRST_RANGE, _FIRST_PROGRAM = 0, 1, 2, 2 + _RANGES
"""Numbers of filters; what is done under the first is told."""
_NUMBER, _PROCESS = struct.Struct("=I"), struct.Struct("=QQ")
_TICK = 10_000_000


class Filters:
    """The filters of one sensor."""

    def __init__(self, of: BpfObject, ignore: Ignore, own: Callable[[], Iterable[int]] = tuple) -> None:
        """Fill the maps of an object that includes filter.h, whatever the last run left in them.

        own returns the pids of the agent's other processes, whose doings are left out as well.

        Raises:
            RungUnavailable: the kernel does not take them.
        """
        self._object = of
        self._page = of.mapped_word("filters")
        self._words = memoryview(self._page)[: 8 * _WORDS].cast("Q")
        self._own = own
        self._before = [0] * _FILTERS
        self._set(ignore)

    def retune(self, ignore: Ignore, tally: Tally) -> None:
        """Leave out what ignore names from now on; what was left out before is counted under its own name.

        Raises:
            RungUnavailable: the kernel does not take it.
        """
        self._words[0] = 0
        self._before = self._count(tally)
        self._set(ignore)

    def _set(self, ignore: Ignore) -> None:
        """Fill the maps. Meanwhile nothing is left out: the first word stands for all of them."""
        self._pids: frozenset[int] | None = None
        self._names: dict[int, str] = {}
        self._refused: list[str] = []
        self._words[0] = 0
        for at in range(_RANGES):
            first, last = ignore.uids[at] if at < len(ignore.uids) else (0, 0)
            self._words[_RANGES_AT + at] = first | last << 32
            if first:
                self._names[_FIRST_RANGE + at] = f"uid {first}-{last}"
        programs = self._programs(ignore.programs)
        self._put("ignored", ignored_programs.SIZE, programs)
        self._words[1] = bool(programs)
        self._refresh()

    def tell(self, tally: Tally) -> None:
        """Count what was left out and not told yet; look which processes are the agent's own by now."""
        self._refresh()
        if self._names:
            self._count(tally)

    def _count(self, tally: Tally) -> list[int]:
        counts = self._object.counters("filtered", _FILTERS)
        for number, name in self._names.items():
            tally.add(f"{CAUSE}: {name}", counts[number] - self._words[_TOLD_AT + number])
            self._words[_TOLD_AT + number] = counts[number]
        return counts

    def state(self) -> Filtered:
        """Return each filter with what it left out since the programs were loaded, or it was set."""
        counts = self._object.counters("filtered", _FILTERS)
        found = {name: counts[number] - self._before[number] for number, name in self._names.items()}
        if self._pids:
            found[OWN] = counts[_OWN]
        return Filtered(found, tuple(self._refused))

    def close(self) -> None:
        """Unmap; the object is its owner's."""
        self._words.release()
        self._page.close()

    def _programs(self, patterns: tuple[str, ...]) -> dict[bytes, int]:
        """Return the number of the filter for each content that a pattern stands for."""
        numbers: dict[bytes, int] = {}
        for number, pattern in enumerate(patterns, _FIRST_PROGRAM):
            found = ignored_programs.find(pattern)
            self._refused += found.refused
            numbers |= dict.fromkeys(found.contents, number)
            self._names[number] = pattern
        return dict(list(numbers.items())[: ignored_programs.MOST])

    def _refresh(self) -> None:
        pids = frozenset(self._own())
        if pids == self._pids:
            return
        watch = os.getpid()
        found = (read_process(pid) for pid in (*pids, watch))
        owned = {
            _PROCESS.pack(one.start // _TICK, one.pid): _TOLD if one.pid == watch else _OWN
            for one in found
            if one is not None
        }
        self._put("owned", _PROCESS.size, owned)
        self._words[0] = bool(self._names or pids)
        self._pids = pids

    def _put(self, table: str, key_size: int, entries: dict[bytes, int]) -> None:
        """Make entries the whole content of a table."""
        known = Table(self._object.map_fd(table), key_size, _NUMBER.size)
        known.delete(list(known.read(lambda key: key not in entries)))
        for key, number in entries.items():
            self._object.put(table, key, _NUMBER.pack(number))
