"""A table whose keys carry a window: what was added in the windows before is read once, also across a kill.

Programs add to entries of the window that is current. The reader begins another and, a turn later, reads
those before: what was still being added has had the time between two turns to end. Entries stay in the table
until what they told is kept elsewhere. So a pinned table holds at the next start what the last run had not
kept.
"""

from __future__ import annotations

from collections.abc import Callable

from .bpf_object import BpfObject
from .bpf_table import Table
from .libbpf import libbpf, map_info
from .rings import SensorRings


class Windows:
    """A hash map of an object, as one more of a sensor's rings: its positions are windows."""

    def __init__(
        self,
        of: BpfObject,
        table: tuple[str, int, int],
        window_of: Callable[[bytes], int],
        rings: SensorRings | None,
    ) -> None:
        """Read table, which is the map's name and the sizes of its keys and values.

        Raises:
            RungUnavailable: the kernel does not tell the map's id.
        """
        name, key_size, value_size = table
        descriptor = of.map_fd(name)
        self._table = Table(descriptor, key_size, value_size)
        self._window_of = window_of
        self._rings = rings
        self._read: list[bytes] = []
        self.ring_id = f"table {map_info(libbpf(), descriptor).id}"
        self.continued = of.continued
        self.unpinned = of.unpinned
        self.counted: list[int] = []
        self.handed_on = 0
        if rings is not None:
            self.handed_on = rings.left.positions.get(self.ring_id, 0)
            self._table.delete(list(self._table.read(lambda key: window_of(key) <= self.handed_on)))
            rings.add(self)

    def take(self, current: int) -> list[bytes]:
        """Return the values of the windows before current that were not taken yet."""
        taken = self.handed_on
        found = self._table.read(lambda key: taken < self._window_of(key) < current)
        self._read += found
        self.handed_on = current - 1
        if self._rings is None:
            self.release()
        return list(found.values())

    def release(self) -> None:
        """Delete what was handed on: it is kept."""
        gone, self._read = self._read, []
        self._table.delete(gone)

    def close(self) -> None:
        """Forget the table, which stays the object's."""
        if self._rings is not None:
            self._rings.remove(self)
