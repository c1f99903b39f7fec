"""Follows the folder of Sigma rules: reads it anew when it changes, and records each change as an act.

A file that is wrong is named in the log and left out; the rest of the folder holds. Where the folder cannot
be read, the rules of before stay in force.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from evidence.errors import EvidenceError
from evidence.kinds.collector import Act

from . import files, paths
from .errors import CollectorError, SettingsError
from .settings import Settings
from .sigma.document import File
from .sigma.ruleset import Ruleset, assemble
from .sigma_folder import Folder

VERB = "sigma.read"
USER = "vedette-collector"
"""Who does it: nobody logs in for that; who wrote the files, this host's own agent tells."""
LOOK_SECONDS = 5.0
"""How often the folder is looked at. A change is read once it is this old, so as not to read half of it."""
_SHOWN = 20
"""Faults that are logged of one reading."""
Stamp = tuple[tuple[str, int, int], ...]
"""Of each file its name, time of change (ns) and size."""
_log = logging.getLogger("vedette.sigma")


class SigmaWatch:
    """Holds the rules in force; `look` never waits. record makes an act durable."""

    def __init__(
        self, settings: Settings, record: Callable[[Act], object], *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Read the folder, if the settings name one; what is wrong with it is logged."""
        detection = settings.detection
        self._folder = (
            Folder(detection.sigma, detection.sigma_placeholders, paths.of(settings).sigma)
            if detection.sigma is not None
            else None
        )
        self._record, self._look_seconds = record, look_seconds
        self._recorded_file, self._untold = paths.of(settings).sigma_recorded, ""
        self._recorded = _text(self._recorded_file)
        self._said = ""
        self._seen: Stamp | None = None
        self._read: Stamp | None = None
        self._digest = ""
        self._looked = time.monotonic()
        self._reader = ThreadPoolExecutor(1, "sigma")
        self._looking: Future[Ruleset | None] | None = None
        self.ruleset = self._examine(at_once=True) or Ruleset()
        self._tell()

    def look(self) -> Ruleset | None:
        """Return the rules that are in force from now on, if they have changed; never waits."""
        if self._folder is None:
            return None
        if self._looking is None:
            if time.monotonic() >= self._looked + self._look_seconds:
                self._looked = time.monotonic()
                self._looking = self._reader.submit(self._follow)
            return None
        if not self._looking.done():
            return None
        done, self._looking = self._looking, None
        if (error := done.exception()) is not None:
            _log.error("the Sigma rules could not be read: %r", error)
            return None
        return done.result()

    def close(self) -> None:
        """End the thread that reads."""
        self._reader.shutdown()

    def _follow(self) -> Ruleset | None:
        """Read the folder if it changed and has come to rest; runs in the thread that reads."""
        fresh = self._examine(at_once=False)
        self.ruleset = fresh or self.ruleset
        self._tell()
        return fresh

    def _examine(self, *, at_once: bool) -> Ruleset | None:
        """Return the folder's rules, if its files changed and came to rest unless at_once."""
        if self._folder is None:
            return None
        try:
            stamp = _stamp(self._folder)
            rests, self._seen = stamp == self._seen, stamp
            if stamp == self._read or not (rests or at_once):
                return None
            found = self._folder.read()
        except (SettingsError, OSError) as error:
            self._say(f"{error}; the rules of before stay in force")
            return None
        self._read, digest = stamp, _digest(found)
        if digest == self._digest:
            return None
        self._digest = self._untold = digest
        ruleset = assemble(found)
        _log_faults(ruleset)
        return ruleset

    def _tell(self) -> None:
        """Record that the rules are others than were recorded last; what fails is tried at the next look."""
        digest = self._untold
        if self._folder is None or digest in ("", self._recorded):
            return
        try:
            self._record(act(self.ruleset, digest, self._folder.folder))
            files.write(self._recorded_file, digest.encode())
        except (CollectorError, EvidenceError, OSError) as error:
            self._say(f"not recorded yet that the Sigma rules changed: {error}")
            return
        self._recorded, self._untold, self._said = digest, "", ""

    def _say(self, message: str) -> None:
        """Log what is wrong, once for as long as it stays so."""
        if message != self._said:
            self._said = message
            _log.error("%s", message)


def _log_faults(ruleset: Ruleset) -> None:
    """Log what is wrong with the rules, and how many there are."""
    wrong = [f"{file.path}: {file.fault}" for file in ruleset.faulty]
    wrong += [f"{one.path}: {one.document.id}: {one.fault}" for one in ruleset.listed if one.fault]
    for line in wrong[:_SHOWN]:
        _log.warning("%s", line)
    rules, correlations = len(ruleset.rules), len(ruleset.correlations)
    _log.info("%d rules and %d correlations, %d left out", rules, correlations, len(wrong))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def act(ruleset: Ruleset, digest: str, folder: Path) -> Act:
    """Return that from now on other rules are in force: their counts, and the digest of all files."""
    detail = {
        "sha256": digest,
        "rules": str(len(ruleset.rules)),
        "correlations": str(len(ruleset.correlations)),
        "left out": str(len(ruleset.faulty) + sum(one.fault is not None for one in ruleset.listed)),
    }
    return Act(user=USER, verb=VERB, object=str(folder), detail=detail)


def _stamp(folder: Folder) -> Stamp:
    found: list[tuple[str, int, int]] = []
    for path in folder.paths():
        status = path.stat()
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)


def _digest(found: list[File]) -> str:
    """Return the digest of all files by name and content."""
    return hashlib.sha256(msgspec.json.encode([(file.path, file.digest) for file in found])).hexdigest()
