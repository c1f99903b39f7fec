"""One program at a busy hook that hands on to the programs of several sensors.

Each program that is attached to a hook costs at each pass, even if it ends at once. So one is attached, of
the object `acts_capable`; in its table `tellers` each sensor has a place for a program of an object of its
own, with its own ring.
"""

from __future__ import annotations

import struct

from .bpf_reader import RingReader
from .rings import SensorRings

_OBJECT, _PROGRAM, _TABLE = "acts_capable", "on_check", "tellers"
_RING_BYTES = 4096
"""Nothing is written into the ring of the program that hands on."""


class Handed:
    """A sensor's place, as one more of its rings: what is seen there lies in the ring of its own object."""

    handed_on = 0
    gathered_until: int | None = None

    def __init__(self, number: int, reader: RingReader, rings: SensorRings | None) -> None:
        """Take the place of that number; continued if the last run had it, and it was handed on to since."""
        self.number = number
        self.ring_id = f"place {number} of {reader.ring_id}"
        self.continued = reader.continued and reader.object.get(_TABLE, _word(number), 4) is not None
        self.unpinned = reader.unpinned
        self.counted: list[int] = []
        self._rings = rings
        if rings is not None:
            rings.add(self)

    def release(self) -> None:
        """Nothing is held here."""

    def close(self) -> None:
        """Forget the place."""
        if self._rings is not None:
            self._rings.remove(self)


class Handing:
    """The program that hands on, loaded while somebody has a place."""

    def __init__(self) -> None:
        self._reader: RingReader | None = None
        self._places: list[Handed] = []

    def join(self, number: int, program: int, rings: SensorRings | None) -> Handed:
        """Hand on to a program, given by its descriptor, at the place of that number.

        Raises:
            RungUnavailable: the kernel has no such hook.
        """
        if self._reader is None:
            self._reader = RingReader(_OBJECT, _RING_BYTES, rings, programs=frozenset((_PROGRAM,)))
        place = Handed(number, self._reader, rings)
        self._places.append(place)
        self._reader.object.put(_TABLE, _word(number), _word(program))
        return place

    def leave(self, place: Handed) -> None:
        """Hand on no more; the last to leave unloads."""
        self._places.remove(place)
        place.close()
        if self._reader is None:
            return
        self._reader.object.take_out(_TABLE, _word(place.number))
        if not self._places:
            self._reader.close()
            self._reader = None


def _word(number: int) -> bytes:
    return struct.pack("=I", number)
