"""The country of an address, from a database in MaxMind's format (MMDB)."""

from __future__ import annotations

import functools
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import SettingsError
from .known import Country

NAME = "mmdb"
"""What its digest is called beside those of the files."""
_SIZE_LIMIT = 256 << 20
_REMEMBERED = 65_536
_CODE_LIMIT = 16


@dataclass(frozen=True)
class Countries:
    """A database: the SHA-256 (hex) of its file, and the function that asks it."""

    digest: str
    country: Country


def read(path: Path) -> Countries:
    """Return a database of countries, which is kept in memory: its file may be replaced meanwhile.

    Raises:
        SettingsError: it cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_SIZE_LIMIT + 1)
    except OSError as error:
        raise SettingsError(f"{path}: organisation.mmdb cannot be read: {error.strerror}") from error
    if len(raw) > _SIZE_LIMIT:
        raise SettingsError(f"{path}: more than {_SIZE_LIMIT} bytes; use a database of countries alone")
    import maxminddb  # noqa: PLC0415 - only a site that has such a database pays for it

    try:
        reader = maxminddb.Reader(_Named(raw), maxminddb.MODE_FD)
    except Exception as error:  # a damaged database raises whatever its parser meets
        raise SettingsError(f"{path}: no MMDB database: {error}") from error
    return Countries(hashlib.sha256(raw).hexdigest(), functools.lru_cache(_REMEMBERED)(_asking(reader)))


class Lookup(Protocol):
    """A database that was opened."""

    def get(self, ip_address: str, /) -> object:
        """Return the record of an address; None where it has none."""
        ...


class _Named(io.BytesIO):
    """The reader wants a file with a name."""

    name = NAME


def _asking(reader: Lookup) -> Country:
    def country(ip: str) -> str | None:
        try:
            return _code(reader.get(ip))
        except Exception:  # noqa: BLE001 - damage of the database must not fail the rule that asks
            return None

    return country


def _code(record: object) -> str | None:
    """Return the ISO code of a record: MaxMind nests it, others give it by itself."""
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code")
    code = country or record.get("country_code")
    return code if isinstance(code, str) and len(code) <= _CODE_LIMIT else None
