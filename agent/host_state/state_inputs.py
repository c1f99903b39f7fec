"""What the sources read of the host: files, sockets, and rpm's list of packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..kernel.listening import ListeningSockets
from ..state_source import Found, Place, Source
from .rpm_query import RpmQuery
from .state_files import StateFiles


class StateInputs:
    """The host below root; sockets are those of this network namespace. owners is pid by socket name."""

    def __init__(self, root: Path) -> None:
        self.files = StateFiles(root)
        self._sockets = ListeningSockets()
        self._rpm = RpmQuery(str(root))
        self._stamps: tuple[tuple[int, int] | None, ...] | None = None
        self._listed = Found("rpm")
        self.owners: dict[str, int] = {}

    @property
    def lost(self) -> Counter[str]:
        """What was not read, by cause; whoever takes it clears it."""
        return self.files.lost

    def can_read(self, source: Source) -> bool:
        """Return whether the host has what a source reads."""
        return source.reads != "rpm" or self._rpm.available

    def read(self, source: Source, places: tuple[Place, ...], now: int) -> Iterable[Found] | None:
        """Return what is there now; None where it is not known yet, then ask again in a second."""
        if source.reads == "sockets":
            return self._read_sockets()
        if source.reads == "rpm":
            return self._read_rpm(places, now)
        return self.files.read(places, source.limit, links=source.links)

    def close(self) -> None:
        """End what runs."""
        self._rpm.close()

    def _read_sockets(self) -> list[Found] | None:
        try:
            listening = self._sockets.read()
        except OSError as error:
            self.lost[f"listeners: {error.strerror}"] += 1
            return None
        self.owners = {one.name: one.pid for one in listening if one.pid is not None}
        return [Found(one.name, (one.program or "").encode()) for one in listening]

    def _read_rpm(self, places: tuple[Place, ...], now: int) -> list[Found] | None:
        """Ask rpm when its database is not what it was."""
        stamps = tuple(self._stamp(place) for place in places)
        if stamps == self._stamps:
            return [self._listed]
        if not any(stamps):
            self._stamps, self._listed = stamps, Found("rpm")
            return [self._listed]
        try:
            listed = self._rpm.ask(now)
        except OSError as error:
            self.lost[f"rpm: {error}"] += 1
            self._stamps = stamps
            return [self._listed]
        if listed is None:
            return None
        self._stamps, self._listed = stamps, Found("rpm", listed)
        return [self._listed]

    def _stamp(self, place: Place) -> tuple[int, int] | None:
        try:
            found = Path(self.files.real(f"{place.folder}/{place.pattern}".encode()).decode()).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


def places_below(files: StateFiles, places: Iterable[Place]) -> list[tuple[bytes, str]]:
    """Return (folder below root, pattern) for each folder of the places, also those in deep ones."""
    return [(folder, place.pattern) for place in places for folder in files.folders(place)]
