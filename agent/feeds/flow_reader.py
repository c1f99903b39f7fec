"""The ring of a program that sees flows, and its table of sums, taken in turns of a second.

Short flows are summed in the kernel by process and peer, within a window. A turn takes the sums of the
windows before, and begins another. When two turns brought nothing the reader rests, and the program hints
through its ring that something came.
"""

from __future__ import annotations

from collections.abc import Callable

from ..decode.bpf_connection import KEY_SIZE, SIZE, Flow, is_hint, parse, window_of
from ..kernel.bpf_reader import RingReader
from ..kernel.bpf_windows import Windows
from ..kernel.rings import SensorRings
from ..settings import Connection

_ACTIVE, _IDLE, _HURRIED = 1_000_000_000, 3_000_000_000, 100_000_000
"""Nanoseconds between two turns: while something comes, while nothing does, while a trigger is awaited."""

_HURRIED_TURNS = 20
_WINDOW, _HINT, _MOVED, _REPORT_BYTES, _REPORT_TIME, _SEEK, _SEES_RELEASE, _WORDS = range(8)
"""The words of struct words in bpf/flow.h."""


class FlowReader:
    """One object that includes bpf/flow.h. undecodable is called for each record that is none."""

    def __init__(
        self,
        reader: RingReader,
        rings: SensorRings | None,
        settings: Connection,
        undecodable: Callable[[], None],
    ) -> None:
        """Read through reader, which was opened with rings.

        Raises:
            OSError: the kernel refuses to map what it shares.
            RungUnavailable: it does not tell what the table is called.
        """
        self._reader = reader
        self._undecodable = undecodable
        self._page = reader.object.mapped_word("shared")
        self._words = memoryview(self._page)[: 8 * _WORDS].cast("Q")
        # What the last run left is of a window that is over.
        self._words[_WINDOW] += 1
        self._sums = Windows(reader.object, ("sums", KEY_SIZE, SIZE), window_of, rings)
        self._words[_REPORT_BYTES] = settings.report_bytes
        self._words[_REPORT_TIME] = int(settings.report_seconds * 1e9)
        self._now = self._due = 0
        self._quiet = self._hurried = self._moved = 0
        self._came = False

    @property
    def period(self) -> float:
        """Seconds until the next timed read."""
        return min(self._reader.period, max(0, self._due - self._now) / 1e9)

    def read(self, now: int) -> list[Flow]:
        """Return what the ring holds; now is monotonic ns."""
        self._now = now
        found: list[Flow] = []
        for raw in self._reader.read():
            if is_hint(raw):
                self._due = min(self._due, now + self._pause())
            else:
                self._parse(raw, found)
        self._came |= bool(found)
        return found

    def is_due(self) -> bool:
        """Return whether a turn is due."""
        return self._now >= self._due

    def turn(self) -> list[Flow]:
        """Return the sums of the windows before, and begin another."""
        current = self._words[_WINDOW]
        found: list[Flow] = []
        for raw in self._sums.take(current):
            self._parse(raw, found)
        self._words[_WINDOW] = current + 1
        return found

    def rest(self) -> list[Flow]:
        """Return all sums, also of the window that is current: nothing more is read."""
        return self.turn() + self.turn()

    def plan(self, *, busy: bool) -> None:
        """Plan the next turn, given whether the table brought anything."""
        moved = self._words[_MOVED]
        self._quiet = 0 if busy or self._came or moved != self._moved else self._quiet + 1
        self._came = False
        self._moved, self._words[_MOVED] = moved, 0
        self._hurried = max(0, self._hurried - 1)
        rests = self._quiet > 1 and not self._hurried
        self._words[_HINT] = int(rests)
        self._due = self._now + (_IDLE if rests else self._pause())

    def hurry(self) -> None:
        """Take the next turns quickly: an event of this agent's own is awaited."""
        self._hurried = _HURRIED_TURNS
        self._due = self._now

    def seek(self, *, wanted: bool) -> None:
        """Have flows without an owner told as such, or not."""
        self._words[_SEEK] = int(wanted)

    def see_release(self, *, seen: bool) -> None:
        """Say whether the program sees sockets being closed, and so can wait for who closes them."""
        self._words[_SEES_RELEASE] = int(seen)

    def lost(self) -> dict[str, int]:
        """Return what was lost since the last call, by cause."""
        return self._reader.lost()

    def close(self) -> None:
        """Unmap and unload."""
        self._sums.close()
        self._words.release()
        self._page.close()
        self._reader.close()

    def _pause(self) -> int:
        return _HURRIED if self._hurried else _ACTIVE

    def _parse(self, raw: bytes, found: list[Flow]) -> None:
        try:
            found.append(parse(raw))
        except ValueError:
            self._undecodable()
