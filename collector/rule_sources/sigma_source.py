"""The folder of Sigma rules as it is followed: what its files hold, and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from evidence.kinds.collector import Act

from .. import paths
from ..settings import Settings
from ..sigma.document import File
from ..sigma.ruleset import Ruleset, assemble
from .rules_watch import LOOK_SECONDS, Reading, RulesWatch
from .sigma_folder import Folder

VERB = "sigma.read"


class SigmaSource:
    """Implements `rules_watch.Source`."""

    verb = VERB

    def __init__(self, folder: Folder) -> None:
        self._files, self.folder = folder, folder.folder

    def paths(self) -> list[Path]:
        """Return the files of rules, in order.

        Raises:
            SettingsError: the folder cannot be read.
        """
        return self._files.paths()

    def read(self) -> Reading[Ruleset]:
        """Return the rules.

        Raises:
            SettingsError: the folder cannot be read.
        """
        found = self._files.read()
        ruleset = assemble(found)
        faults = [f"{file.path}: {file.fault}" for file in ruleset.faulty]
        faults += [f"{one.path}: {one.document.id}: {one.fault}" for one in ruleset.listed if one.fault]
        counts = {
            "rules": str(len(ruleset.rules)),
            "correlations": str(len(ruleset.correlations)),
            "left out": str(len(faults)),
        }
        return Reading(ruleset, _digest(found), counts, tuple(faults))


def watch(
    settings: Settings, record: Callable[[Act], object], *, look_seconds: float = LOOK_SECONDS
) -> RulesWatch[Ruleset]:
    """Return what follows the folder that the settings name; none named, no rules."""
    places, detection = paths.of(settings), settings.detection
    source = (
        SigmaSource(Folder(detection.sigma, detection.sigma_placeholders, places.sigma))
        if detection.sigma is not None
        else None
    )
    return RulesWatch(source, Ruleset(), places.sigma_recorded, record, look_seconds=look_seconds)


def _digest(found: list[File]) -> str:
    """Return the digest of all files by name and content."""
    return hashlib.sha256(msgspec.json.encode([(file.path, file.digest) for file in found])).hexdigest()
