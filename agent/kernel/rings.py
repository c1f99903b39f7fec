"""The rings an agent has open: where they are pinned, and how far what they held has been kept.

A record leaves its ring only once its event is kept elsewhere. So a ring that outlives watch holds what watch
had not kept, and the next start reads on from there.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import msgspec

from ..gathered import Gathered
from .bpf_object import Place
from .pin_folders import AgentFolder, Unpinned
from .scope import HOST, Scope

T = TypeVar("T")

WATCH = "watch"
"""What watch itself has gathered of what several sensors saw: it changes with each of them."""


class Reader(Protocol):
    """An open ring."""

    @property
    def ring_id(self) -> str:
        """What no other ring is called until the next boot."""
        ...

    @property
    def continued(self) -> bool:
        """Whether it recorded since the last run, without a pause."""
        ...

    @property
    def unpinned(self) -> str | None:
        """Why it is not pinned, where it should have been."""
        ...

    @property
    def handed_on(self) -> int:
        """The position up to which what was read has been given to watch."""
        ...

    @property
    def counted(self) -> list[int]:
        """The losses told so far, by cause."""
        ...

    def release(self) -> None:
        """Give the space of what was handed on back to the kernel."""
        ...


class Left(msgspec.Struct, frozen=True):
    """Where the last run stood: by ring, up to which position it kept what it read, and the losses it told.

    gathered is what its feeds had taken and not told yet, by sensor and name (see `Gathered`).
    """

    positions: dict[str, int] = {}
    counted: dict[str, list[int]] = {}
    gathered: dict[str, dict[str, bytes]] = {}


class Rings:
    """All open rings of a process, by sensor."""

    def __init__(
        self, pins: AgentFolder | Unpinned | None = None, scope: Scope = HOST, left: Left | None = None
    ) -> None:
        """Take the agent's folder in bpffs, or why there is none."""
        self.unpinned = pins if isinstance(pins, Unpinned) else None
        self.place = Place(scope, pins if isinstance(pins, AgentFolder) else None)
        self.left = left or Left()
        self._open: dict[str, list[Reader]] = {}
        self._gathered: dict[str, dict[str, Gathered[Any]]] = {}

    def of(self, sensor: str) -> SensorRings:
        """Return the part of a sensor."""
        return SensorRings(self, sensor)

    def add(self, sensor: str, reader: Reader) -> None:
        """Note an open ring."""
        self._open.setdefault(sensor, []).append(reader)

    def remove(self, sensor: str, reader: Reader) -> None:
        """Forget a ring that is closed."""
        if reader in self._open.get(sensor, ()):
            self._open[sensor].remove(reader)

    def continued(self, sensor: str) -> bool:
        """Return whether all that the sensor sees was recorded since the last run, without a pause."""
        readers = self._open.get(sensor, [])
        return bool(readers) and all(reader.continued for reader in readers)

    def problem(self, sensor: str) -> Unpinned | None:
        """Return why a kill would blind this sensor, though it has rings."""
        readers = self._open.get(sensor, [])
        if readers and self.unpinned is not None:
            return self.unpinned
        reason = next((reader.unpinned for reader in readers if reader.unpinned is not None), None)
        return None if reason is None else Unpinned(f"not pinned: {reason}", "let watch write to /sys/fs/bpf")

    def positions(self, sensor: str) -> dict[str, int]:
        """Return up to where a sensor's rings have been handed on."""
        return {reader.ring_id: reader.handed_on for reader in self._open.get(sensor, ())}

    def counted(self) -> dict[str, list[int]]:
        """Return the losses told so far of each ring."""
        return {reader.ring_id: reader.counted for found in self._open.values() for reader in found}

    def gathered(self, sensor: str, name: str, shape: type[T]) -> Gathered[T]:
        """Return what a sensor has gathered under a name; a feed that is opened again goes on with it."""
        key, known = f"{sensor}/{name}", self._gathered.setdefault(sensor, {})
        if key not in known:
            known[key] = Gathered(shape, self.left.gathered.get(key))
        return known[key]

    def changes(self, sensor: str) -> dict[str, dict[str, bytes]]:
        """Return what changed of what a sensor, and watch itself, has gathered since the last call."""
        kept = self._gathered.get(sensor, {}) | self._gathered.get(WATCH, {})
        found = {key: one.changes() for key, one in kept.items()}
        return {key: changed for key, changed in found.items() if changed}

    def release(self, sensor: str) -> None:
        """Let go of what was handed on: it is kept."""
        for reader in self._open.get(sensor, ()):
            reader.release()


class SensorRings:
    """What the feeds of one sensor open their rings with."""

    def __init__(self, rings: Rings, sensor: str) -> None:
        self._rings = rings
        self._sensor = sensor

    @property
    def place(self) -> Place:
        """Where objects are pinned, and what they see."""
        return self._rings.place

    @property
    def left(self) -> Left:
        """Where the last run stood."""
        return self._rings.left

    def gathered(self, name: str, shape: type[T]) -> Gathered[T]:
        """Return what the sensor has gathered under a name."""
        return self._rings.gathered(self._sensor, name, shape)

    def add(self, reader: Reader) -> None:
        """Note an open ring."""
        self._rings.add(self._sensor, reader)

    def remove(self, reader: Reader) -> None:
        """Forget a ring that is closed."""
        self._rings.remove(self._sensor, reader)
