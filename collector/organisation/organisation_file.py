"""Reads what the operator tells of people, networks, hosts and windows from a folder of TOML and CSV."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..errors import SettingsError
from ..settings import OrganisationFiles, Settings
from . import countries
from .known import Known, Organisation
from .text import BY_CSV, ENTRIES_LIMIT, Said, comma_separated, toml
from .whole import assemble

FILE_LIMIT = 8 << 20
"""Bytes of a file."""
FILES_LIMIT = 100
_KINDS = ("people", "networks", "hosts", "services", "service_accounts", "change_windows", "on_call")

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of each file: what differs once a file was written."""


@dataclass(frozen=True)
class Told:
    """What was read: the organisation, its index, and the SHA-256 of each file by name."""

    organisation: Organisation
    known: Known
    files: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what is told, however it is written; the database of countries counts too."""
        return digest(self.organisation, self.files)

    @property
    def counts(self) -> dict[str, int]:
        """Number of entries by their kind."""
        return {kind: len(getattr(self.organisation, kind)) for kind in _KINDS}


def read(settings: Settings) -> Told:
    """Return what the files and the settings tell.

    Raises:
        SettingsError: a file is missing, too long, or wrong; names file, line or table, and field.
    """
    place = settings.organisation
    said: list[Said] = []
    digests: dict[str, str] = {}
    for path in files(place):
        raw = _read(path)
        digests[path.name] = hashlib.sha256(raw).hexdigest()
        said += _entries(path, raw)
        if len(said) > ENTRIES_LIMIT:
            raise SettingsError(f"{path}: more than {ENTRIES_LIMIT} entries in {place.folder}")
    country = None
    if place.mmdb is not None:
        opened = countries.read(place.mmdb)
        digests[countries.NAME], country = opened.digest, opened.country
    organisation = assemble(said, settings.detection)
    return Told(organisation, Known(organisation, country), digests)


def from_settings(settings: Settings) -> Told:
    """Return what the settings alone tell.

    Raises:
        SettingsError: they contradict themselves.
    """
    organisation = assemble((), settings.detection)
    return Told(organisation, Known(organisation), {})


def digest(organisation: Organisation, file_digests: dict[str, str]) -> str:
    """Return the SHA-256 (hex) of an organisation with its database of countries."""
    told = msgspec.json.encode((organisation, file_digests.get(countries.NAME)))
    return hashlib.sha256(told).hexdigest()


def files(place: OrganisationFiles) -> list[Path]:
    """Return the files of the folder that are read, in the order of their names.

    Raises:
        SettingsError: the folder was named and is missing, or has a CSV file of no known name.
    """
    check_folder(place)
    try:
        found = sorted(path for path in place.folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsError(f"{place.folder}: cannot be read: {error.strerror}") from error
    for path in found:
        if path.suffix == ".csv" and path.name not in BY_CSV:
            raise SettingsError(f"{path}: no known name; CSV files are {', '.join(BY_CSV)}")
    wanted = [path for path in found if path.suffix in {".toml", ".csv"}]
    if len(wanted) > FILES_LIMIT:
        raise SettingsError(f"{place.folder}: more than {FILES_LIMIT} files; join some")
    return wanted


def check_folder(place: OrganisationFiles) -> None:
    """Refuse a folder that was named and is missing; only the usual one may be.

    Raises:
        SettingsError: it is missing.
    """
    if place.folder != OrganisationFiles().folder and not place.folder.is_dir():
        raise SettingsError(f"{place.folder}: no such folder; make it, or correct organisation.folder")


def stamp(place: OrganisationFiles) -> Stamp:
    """Return what tells whether the files were changed; a missing or unreadable one counts as changed.

    Raises:
        SettingsError: as `files`.
    """
    return tuple(_stamp(path) for path in (*files(place), *([place.mmdb] if place.mmdb else ())))


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (path.name, -1, -1, -1)
    return (path.name, found.st_size, found.st_mtime_ns, found.st_ino)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise SettingsError(f"{path}: not a file")
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > FILE_LIMIT:
        raise SettingsError(f"{path}: more than {FILE_LIMIT} bytes; split it")
    return raw


def _entries(path: Path, raw: bytes) -> list[Said]:
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}") from error
    if path.suffix == ".toml":
        return toml(content, str(path))
    return comma_separated(content, BY_CSV[path.name], str(path))
