"""A ring and the object that fills it, read lazily: awake while there is something to read, else asleep."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

from ..errors import RungUnavailable
from .bpf_object import BpfObject, Place
from .libbpf import libbpf, map_info, per_cpu_sums
from .pin_folders import remove
from .pins import Pins
from .ring import Ring
from .rings import SensorRings

AWAKE, ASLEEP, HURRY = 0.1, 5.0, 0.001
LIMIT = 1024
"""Records a read takes at most: however many wait, the other sensors and the lanes get their turn."""

_COUNTERS = ("ring_full", "no_memory", "", "rate_limited")
"""`enum loss` of bpf/emit.h; what is unnamed is no loss."""

_SLEEPS, _AT_RISK = 0, 1
"""Words of the page that is shared with the programs. The second is the reader's own: how many records it
took out of the ring before they were kept."""

_KILLED, _REPLACED = "agent died", "other version"


class RingReader:
    """One object and its ring.

    While records come, nobody is woken for them and `period` asks for a timed read every 100 ms. After two
    empty reads the reader sets the word the programs look at, and sleeps until the next record wakes it.
    """

    def __init__(
        self,
        name: str,
        ring_bytes: int,
        rings: SensorRings | None = None,
        *,
        layout: str = "",
        behind: int = 0,
        optional: frozenset[str] = frozenset(),
        programs: frozenset[str] = frozenset(),
    ) -> None:
        """Load agent/kernel/bpf/NAME.bpf.o, or take it up where it was pinned.

        With rings, a record's space is given back once watch has kept its event; without, when it is read.
        layout names the form of the records: what another version left is read if it is the same. behind
        tells how many reads the feed holds records back before it gives them out; what it holds back for
        longer it keeps as gathered. Programs of optional may be missing; programs are those of the object to
        use, all when empty.

        Raises:
            RungUnavailable: it does not load here.
        """
        self._rings = rings
        place = rings.place if rings else Place()
        self.object = BpfObject(name, ring_bytes, place, layout, optional, programs=programs)
        self._lost: Counter[str] = Counter()
        self._waiting: deque[bytes] = deque()
        try:
            self._ring = Ring(self.object.map_fd("ring"), ring_bytes)
            self._word = self.object.mapped_word("armed")
            self.ring_id = str(map_info(libbpf(), self.object.map_fd("ring")).id)
        except (OSError, RungUnavailable) as error:
            self.object.close()
            raise RungUnavailable(f"{name}: the ring cannot be mapped: {error}") from error
        self._words = memoryview(self._word)[:16].cast("Q")
        self.counted = [0] * len(_COUNTERS)
        self.period = AWAKE
        self._ends = deque([self._ring.at] * (behind + 1), maxlen=behind + 1)
        if rings is not None:
            self._take_up(rings)
            rings.add(self)

    @property
    def continued(self) -> bool:
        """Whether it recorded since the last run, without a pause."""
        return self.object.continued

    @property
    def unpinned(self) -> str | None:
        """Why it is not pinned, where it should have been."""
        return self.object.unpinned

    @property
    def handed_on(self) -> int:
        """The position up to which what was read has been given out."""
        return self._ends[0]

    @property
    def unread(self) -> float:
        """How full the ring is of what was not read, from 0 to 1."""
        return self._ring.unread / self._ring.size

    def fileno(self) -> int:
        """Return the ring's descriptor, readable when the programs wake the reader."""
        return self.object.map_fd("ring")

    def read(self) -> list[bytes]:
        """Return the records that wait, at most LIMIT."""
        records = [self._waiting.popleft() for _ in range(min(LIMIT, len(self._waiting)))]
        if not self._waiting:
            records += self._ring.read(LIMIT - len(records))
        self._ends.append(self._ring.at)
        if self._rings is None:
            self._ring.release(self._ring.at)
        if records:
            self._words[_SLEEPS] = 0
            self.period = HURRY if len(records) == LIMIT else AWAKE
        elif self._words[_SLEEPS]:
            self.period = ASLEEP
        else:
            # One more timed read follows before sleep: a record may have been on its way when this was set.
            self._words[_SLEEPS] = 1
            self.period = AWAKE
        return records

    def rest(self) -> Iterator[bytes]:
        """Yield all that waits, for a stop takes the ring away; it ends where more comes in than is read."""
        left = self._ring.size + len(self._waiting)
        while 0 < (waiting := self._ring.unread + len(self._waiting)) <= left:
            yield from self.read()
            left = waiting - 1

    def release(self) -> None:
        """Give the space of what was handed on back to the kernel: it is kept."""
        self._ring.release(self._ends[0])
        if self._words[_AT_RISK] and not self._waiting:
            self._words[_AT_RISK] = 0

    def lost(self) -> dict[str, int]:
        """Return how many records were lost since the last call, by cause; causes of none are left out."""
        now = self.object.counters("losses", len(_COUNTERS))
        self._lose(now, self.counted)
        self.counted = now
        found, self._lost = {cause: count for cause, count in self._lost.items() if count}, Counter()
        return found

    def close(self) -> None:
        """Unmap, unpin and unload."""
        if self._rings is not None:
            self._rings.remove(self)
        self._words.release()
        self._word.close()
        self._ring.close()
        self.object.close()

    def _take_up(self, rings: SensorRings) -> None:
        """Go on where the last run stood, also in what other versions of the object left."""
        left = rings.left
        self._ring.skip_to(left.positions.get(self.ring_id, 0))
        self.counted = left.counted.get(self.ring_id, self.counted)
        if self._words[_AT_RISK]:
            self._lost[_KILLED] += self._words[_AT_RISK]
            self._words[_AT_RISK] = 0
        if self.object.pins is not None:
            for folder, alike in self.object.pins.others():
                self._drain(self.object.pins, rings, folder, alike=alike)
                remove(folder)
        # Programs need room at once, for the trigger by which this rung is proven.
        while self._ring.free < self._ring.size // 4 and (records := self._ring.read(LIMIT)):
            self._waiting.extend(records)
            self._ring.release(self._ring.at)
        self._words[_AT_RISK] = len(self._waiting)
        self._ends.extend([self._ring.at] * len(self._ends))

    def _drain(self, pins: Pins, rings: SensorRings, folder: Path, *, alike: bool) -> None:
        """Take what another version's ring holds, or count it as lost where its layout may differ."""
        library = libbpf()
        with ExitStack() as opened:
            try:
                descriptors = [pins.get(name, folder) for name in ("ring", "losses")]
                for descriptor in descriptors:
                    opened.callback(os.close, descriptor)
                info = map_info(library, descriptors[0])
                ring = Ring(descriptors[0], info.max_entries)
            except (RungUnavailable, OSError):
                return  # what it saw lies in the interval that is called blind
            opened.callback(ring.close)
            ring.skip_to(rings.left.positions.get(str(info.id), 0))
            while records := ring.read(LIMIT):
                if alike:
                    self._waiting.extend(records)
                else:
                    self._lost[_REPLACED] += len(records)
            counters = per_cpu_sums(library, descriptors[1], len(_COUNTERS))
            self._lose(counters, rings.left.counted.get(str(info.id), []))

    def _lose(self, counters: list[int], told: list[int]) -> None:
        """Note what was lost since so much was told, perhaps by a version that knew fewer causes."""
        for cause, new, old in zip_longest(_COUNTERS, counters, told, fillvalue=0):
            if cause:
                self._lost[str(cause)] += max(0, int(new) - int(old))
