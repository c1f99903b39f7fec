"""Pages of programs and libraries that this process maps: those that only the start needed are let go.

They stay in the page cache for as long as the kernel has room. What is used again is mapped again, without a
read as long as it lies there.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

_SMAPS = Path("/proc/self/smaps")
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")
_PRIVATE_FILE = re.compile(r"\S+ r-[x-]p [0-9a-f]+ \S+ \d+ +/")
_OWN = ("Anonymous", "Swap")
_MADV_DONTNEED = 4
_SOON, _EVERY = 5.0, 60.0
"""Seconds from the first look to the second, and from then on."""


class MappedFiles:
    """Lets go, each minute, of what was mapped as it is now the last time too.

    Once is not enough: a library that another thread is just loading has not been changed by the loader yet.
    """

    def __init__(self) -> None:
        self._before: frozenset[tuple[int, int]] = frozenset()
        self._due = 0.0

    def let_go(self, now: float) -> None:
        """Unmap pages that can be mapped again as they are; where the kernel lists no mappings, nothing.

        To be called each few seconds; now is of the monotonic clock, in seconds.
        """
        if now < self._due:
            return
        self._due = now + (_EVERY if self._before else _SOON)
        try:
            found = frozenset(unchanged(_SMAPS.read_text(errors="replace")))
        except OSError:
            return
        libc = ctypes.CDLL(None)
        for address, length in found & self._before:
            libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _MADV_DONTNEED)
        self._before = found


def unchanged(listed: str) -> Iterator[tuple[int, int]]:
    """Yield address and bytes of each file's mapping that nobody can write and that has no page of its own.

    listed is as proc(5) describes smaps. A page that the loader changed before it was closed to writing
    counts as anonymous there, or as swapped out, and would be lost.
    """
    begin, end, own = 0, 0, 0
    for line in listed.splitlines():
        name, _, value = line.partition(":")
        if mapping := _MAPPING.match(line):
            begin, end = (int(number, 16) for number in mapping.groups())
            own = 0 if _PRIVATE_FILE.match(line) else 1
        elif name in _OWN:
            own += int(value.split()[0])
            if name == _OWN[-1] and own == 0:
                yield begin, end - begin
