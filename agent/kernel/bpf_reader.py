"""A ring and the object that fills it, read lazily: awake while there is something to read, else asleep."""

from __future__ import annotations

from ..errors import RungUnavailable
from .bpf_object import BpfObject
from .ring import Ring

AWAKE, ASLEEP, HURRY = 0.05, 5.0, 0.001
LIMIT = 8192
"""Records a read takes at most."""

_LOSSES = ("ring_full", "no_memory")
"""The order of `enum loss` in bpf/emit.h."""


class RingReader:
    """One object and its ring.

    While records come, nobody is woken for them and `period` asks for a timed read every 50 ms. After two
    empty reads the reader sets the word the programs look at, and sleeps until the next record wakes it.
    """

    def __init__(self, name: str, ring_bytes: int) -> None:
        """Load agent/kernel/bpf/NAME.bpf.o.

        Raises:
            RungUnavailable: it does not load here.
        """
        self.object = BpfObject(name, ring_bytes)
        try:
            self._ring = Ring(self.object.map_fd("ring"), ring_bytes)
            self._word = self.object.mapped_word("armed")
        except OSError as error:
            self.object.close()
            raise RungUnavailable(f"{name}: the ring cannot be mapped: {error}") from error
        self._sleeps = memoryview(self._word)[:8].cast("Q")
        self._counted = [0] * len(_LOSSES)
        self.period = AWAKE

    def fileno(self) -> int:
        """Return the ring's descriptor, readable when the programs wake the reader."""
        return self.object.map_fd("ring")

    def read(self) -> list[bytes]:
        """Return the records that wait, at most LIMIT."""
        records = self._ring.read(LIMIT)
        if records:
            self._sleeps[0] = 0
            self.period = HURRY if len(records) == LIMIT else AWAKE
        elif self._sleeps[0]:
            self.period = ASLEEP
        else:
            # One more timed read follows before sleep: a record may have been on its way when this was set.
            self._sleeps[0] = 1
            self.period = AWAKE
        return records

    def lost(self) -> dict[str, int]:
        """Return how many records were lost since the last call, by cause; causes of none are left out."""
        now = self.object.counters("losses", len(_LOSSES))
        found = {
            cause: new - old for cause, new, old in zip(_LOSSES, now, self._counted, strict=True) if new > old
        }
        self._counted = now
        return found

    def close(self) -> None:
        """Unmap and unload."""
        self._sleeps.release()
        self._word.close()
        self._ring.close()
        self.object.close()
