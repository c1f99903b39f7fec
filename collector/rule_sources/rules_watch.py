"""Follows a folder of rules: reads it anew when it changes, and records each change as an act.

A file that is wrong is named in the log and left out; the rest of the folder holds. Where the folder cannot
be read, the rules of before stay in force.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from evidence.errors import EvidenceError
from evidence.kinds.collector import Act

from .. import files
from ..errors import CollectorError, SettingsError
from ..follower import Follower

USER = "vedette-collector"
"""Who does it: nobody logs in for that; who wrote the files, this host's own agent tells."""
LOOK_SECONDS = 5.0
"""How often the folder is looked at. A change is read once it is this old, so as not to read half of it."""
_SHOWN = 20
"""Faults that are logged of one reading."""
Stamp = tuple[tuple[str, int, int], ...]
"""Of each file its name, time of change (ns) and size."""
T = TypeVar("T")
_log = logging.getLogger("vedette.rules")


class Reading(msgspec.Struct, Generic[T], frozen=True):
    """What a folder holds: its rules, the digest of all files, counts for the record, and what is wrong."""

    rules: T
    digest: str
    counts: dict[str, str]
    faults: tuple[str, ...] = ()


class Source(Protocol[T]):
    """A folder of rules. verb names the act by which its changes are recorded."""

    folder: Path
    verb: str

    def paths(self) -> Iterable[Path]:
        """Return the files of rules, in order.

        Raises:
            SettingsError: the folder cannot be read.
        """
        ...

    def read(self) -> Reading[T]:
        """Return what the files hold.

        Raises:
            SettingsError: the folder cannot be read.
        """
        ...


class RulesWatch(Generic[T]):
    """Holds the rules in force; `look` never waits."""

    def __init__(
        self,
        source: Source[T] | None,
        nothing: T,
        recorded: Path,
        record: Callable[[Act], object],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Read the folder, unless source is None, which leaves nothing in force.

        recorded is a file for the digest of what was recorded last; record makes an act durable.
        """
        self._source, self._record, self._recorded_file = source, record, recorded
        self._recorded = _text(recorded)
        self._said = ""
        self._seen: Stamp | None = None
        self._read: Stamp | None = None
        self._reading: Reading[T] | None = None
        self.rules = nothing
        self._follower = Follower("rules", self._follow, look_seconds)
        self._examine(at_once=True)
        self._tell()

    def look(self) -> T | None:
        """Return the rules that are in force from now on, if they have changed; never waits."""
        return None if self._source is None else self._follower.look()

    def close(self) -> None:
        """End the thread that reads."""
        self._follower.close()

    def _follow(self) -> T | None:
        """Read the folder if it changed and has come to rest; runs in the thread that reads."""
        changed = self._examine(at_once=False)
        self._tell()
        return self.rules if changed else None

    def _examine(self, *, at_once: bool) -> bool:
        """Take the folder's rules, if its files changed and came to rest unless at_once; tell if it did."""
        if self._source is None:
            return False
        try:
            stamp = _stamp(self._source.paths())
            rests, self._seen = stamp == self._seen, stamp
            if stamp == self._read or not (rests or at_once):
                return False
            reading = self._source.read()
        except (SettingsError, OSError) as error:
            self._say(f"{error}; the rules of before stay in force")
            return False
        self._read, former = stamp, self._reading
        if former is not None and former.digest == reading.digest:
            return False
        self._reading, self.rules = reading, reading.rules
        _log_faults(self._source.folder, reading.counts, reading.faults)
        return True

    def _tell(self) -> None:
        """Record that the rules are others than were recorded last; what fails is tried at the next look."""
        reading = self._reading
        if self._source is None or reading is None or reading.digest == self._recorded:
            return
        detail = {"sha256": reading.digest, **reading.counts}
        act = Act(user=USER, verb=self._source.verb, object=str(self._source.folder), detail=detail)
        try:
            self._record(act)
            files.write(self._recorded_file, reading.digest.encode())
        except (CollectorError, EvidenceError, OSError) as error:
            self._say(f"{self._source.folder}: not recorded yet that the rules changed: {error}")
            return
        self._recorded, self._said = reading.digest, ""

    def _say(self, message: str) -> None:
        """Log what is wrong, once for as long as it stays so."""
        if message != self._said:
            self._said = message
            _log.error("%s", message)


def _log_faults(folder: Path, counts: dict[str, str], faults: tuple[str, ...]) -> None:
    """Log what is wrong with the rules, and how many there are."""
    for line in faults[:_SHOWN]:
        _log.warning("%s", line)
    _log.info("%s: %s", folder, ", ".join(f"{count} {name}" for name, count in counts.items()))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _stamp(paths: Iterable[Path]) -> Stamp:
    found: list[tuple[str, int, int]] = []
    for path in paths:
        status = path.stat()
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)
