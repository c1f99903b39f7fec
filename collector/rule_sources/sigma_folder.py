"""A folder of Sigma rules, as SigmaHQ lays it out: its files, parsed once for each content."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from .. import files, paths
from ..errors import SettingsError
from ..settings import Settings
from ..sigma.document import File
from ..sigma.read import LIMIT, Placeholders, read
from ..sigma.ruleset import Ruleset, assemble

FILES = 10_000
"""Of one folder; SigmaHQ has a third of it for all products together."""
_ENDS = frozenset({".yml", ".yaml"})
_FORM = 1
"""Of the kept documents: another one is read anew."""
_log = logging.getLogger(__name__)


class _Kept(msgspec.Struct, frozen=True):
    form: int
    settings: str
    files: dict[str, File] = {}


class Folder:
    """Reads all rules below a folder; what was parsed is kept by content, in memory and in a file."""

    def __init__(
        self, folder: Path, placeholders: Mapping[str, tuple[str, ...]], kept: Path | None = None
    ) -> None:
        self.folder, self._kept = folder, kept
        self._placeholders: Placeholders = placeholders
        self._settings = hashlib.sha256(msgspec.json.encode(placeholders, order="sorted")).hexdigest()
        self._known = self._load()

    def read(self) -> list[File]:
        """Return all files, in the order of their paths.

        Raises:
            SettingsError: the folder cannot be read, or holds too many files.
        """
        found = [self._file(path) for path in self.paths()]
        known = {file.digest: file for file in found}
        if known.keys() != self._known.keys():
            self._known = known
            self._save()
        return found

    def paths(self) -> list[Path]:
        """Return the files of rules, in order.

        Raises:
            SettingsError: as for `read`.
        """
        if not self.folder.is_dir():
            raise SettingsError(f"{self.folder}: no folder of rules is there")
        found = sorted(_files(self.folder))
        if len(found) > FILES:
            raise SettingsError(f"{self.folder}: {len(found)} files of rules, more than {FILES}")
        return found

    def _file(self, path: Path) -> File:
        name = str(path.relative_to(self.folder))
        try:
            with path.open("rb") as opened:
                data = opened.read(LIMIT + 1)
        except OSError as error:
            return File(name, "", fault=f"{error.strerror}")
        known = self._known.get(hashlib.sha256(data).hexdigest())
        if known is not None and known.path == name:
            return known
        return read(name, data, self._placeholders)

    def _load(self) -> dict[str, File]:
        if self._kept is None:
            return {}
        try:
            kept = msgspec.json.decode(self._kept.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return kept.files if (kept.form, kept.settings) == (_FORM, self._settings) else {}

    def _save(self) -> None:
        if self._kept is None:
            return
        try:
            files.write(self._kept, msgspec.json.encode(_Kept(_FORM, self._settings, self._known)))
        except OSError as error:
            _log.warning("%s: %s; rules are parsed again at the next start", self._kept, error.strerror)


def in_force(settings: Settings) -> Ruleset:
    """Return the rules of the folder that the settings name; none where they name none.

    Raises:
        SettingsError: as for `Folder.read`.
    """
    folder = settings.detection.sigma
    if folder is None:
        return Ruleset()
    kept = paths.of(settings).sigma
    return assemble(Folder(folder, settings.detection.sigma_placeholders, kept).read())


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of rules below folder; what begins with a dot is none."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix in _ENDS and not hidden and path.is_file():
            yield path
