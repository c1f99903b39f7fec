"""Follows the operator's files: reads them anew when they change, and records each change as an act.

What was read and recorded last is kept beside the ledger's derived state: it stays in force while the files
are wrong, also over a restart, and tells whether the operator's word is another than the auditor knows of.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from evidence.errors import EvidenceError
from evidence.kinds.collector import Act

from .. import files, paths
from ..errors import CollectorError, SettingsError
from ..follower import Follower
from ..ledger_access.ledger_client import RemoteLedger
from ..settings import Settings
from . import organisation_file
from .known import Known, Organisation
from .organisation_file import Stamp, Told

VERB = "organisation.read"
USER = "vedette-collector"
"""Who does it: nobody logs in for that; who wrote the files, this host's own agent tells."""
LOOK_SECONDS = 2.0
"""How often the files are looked at. A change is read once it is this old, so as not to read half of it."""
_log = logging.getLogger("vedette.organisation")


class _Kept(msgspec.Struct, frozen=True):
    """What was recorded last, as it is kept."""

    digest: str
    organisation: Organisation


class OrganisationWatch:
    """Holds what the operator tells. record makes an act durable; only `look` and `known` are for others."""

    def __init__(
        self, settings: Settings, record: Callable[[Act], object], *, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """Read the files; where they are wrong, take what was read last, and log why.

        Raises:
            SettingsError: the settings contradict themselves, and nothing was read before.
        """
        self._settings, self._record = settings, record
        self._kept_file = paths.of(settings).organisation
        kept = _load(self._kept_file)
        self._recorded = kept.digest if kept is not None else None
        self._digest = self._recorded
        self._seen: Stamp | None = None
        self._read: Stamp | None = None
        self._said = ""
        self._untold: Told | None = None
        self._follower = Follower("organisation", self._follow, look_seconds)
        told = self._examine(at_once=True)
        self.known = told.known if told is not None else self._former(kept)
        self._digest = told.digest if told is not None else self._digest
        self._tell()

    def look(self) -> Known | None:
        """Return what the operator tells from now on, if that has changed; never waits."""
        fresh = self._follower.look()
        self.known = fresh or self.known
        return fresh

    def close(self) -> None:
        """End the thread that reads."""
        self._follower.close()

    def _follow(self) -> Known | None:
        """Read the files if they changed and have come to rest; runs in the thread that reads."""
        told = self._examine(at_once=False)
        fresh: Known | None = None
        if told is not None and told.digest != self._digest:
            self._digest, fresh = told.digest, told.known
            _log.info("read anew: %s", _summary(told))
        self._tell()
        return fresh

    def _examine(self, *, at_once: bool) -> Told | None:
        """Return what the files tell, if they changed, came to rest unless at_once, and are right."""
        try:
            stamp = organisation_file.stamp(self._settings.organisation)
            rests, self._seen = stamp == self._seen, stamp
            if stamp == self._read or not (rests or at_once):
                return None
            self._read = stamp
            told = organisation_file.read(self._settings)
            if organisation_file.stamp(self._settings.organisation) != stamp and not at_once:
                return None
        except SettingsError as error:
            self._say(f"{error}; what was told before stays in force")
            return None
        self._said, self._untold = "", told
        return told

    def _former(self, kept: _Kept | None) -> Known:
        """Return what was told before the files went wrong, else what the settings tell."""
        if kept is not None:
            return Known(kept.organisation)
        return organisation_file.from_settings(self._settings).known

    def _tell(self) -> None:
        """Record what was read, unless it is what was recorded last; what fails is tried at the next look."""
        told = self._untold
        if told is None:
            return
        if told.digest != self._recorded and (self._recorded is not None or told.files):
            try:
                self._record(act(told, self._settings.organisation.folder))
                kept = _Kept(told.digest, told.organisation)
                files.write(self._kept_file, msgspec.json.encode(kept))
            except (CollectorError, EvidenceError, OSError) as error:
                self._say(f"not recorded yet that the operator's files changed: {error}")
                return
            self._recorded = told.digest
        self._said, self._untold = "", None

    def _say(self, message: str) -> None:
        """Log what is wrong, once for as long as it stays so."""
        if message != self._said:
            self._said = message
            _log.error("%s", message)


def act(told: Told, folder: Path) -> Act:
    """Return that the operator's word is from now on another: counts, and digests of the files."""
    detail = {"sha256": told.digest}
    detail |= {kind: str(count) for kind, count in told.counts.items()}
    detail |= {f"file {name}": digest for name, digest in told.files.items()}
    return Act(user=USER, verb=VERB, object=str(folder), detail=detail)


def recorder(settings: Settings) -> Callable[[Act], object]:
    """Return a function that records an act through the process that owns the ledger."""

    def record(one: Act) -> object:
        with closing(RemoteLedger(paths.of(settings))) as ledger:
            return ledger.record(one)

    return record


def reader(settings: Settings) -> Callable[[], Known]:
    """Return a function that gives what is in force by now, for another process than the one that watches."""
    path = paths.of(settings).organisation

    @functools.lru_cache(maxsize=1)
    def at(_written: int) -> Known:
        kept = _load(path)
        return Known(kept.organisation) if kept else organisation_file.from_settings(settings).known

    def known() -> Known:
        try:
            return at(path.stat().st_mtime_ns)
        except OSError:
            return at(0)

    return known


def _summary(told: Told) -> str:
    counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in told.counts.items() if count)
    return f"{len(told.files)} files: {counts or 'nothing'}"


def _load(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.warning("%s: %s; what was told before is not known", path, error)
        return None
