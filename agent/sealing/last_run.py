"""What watch remembers of its last run: how far it had sealed, its settings, the certificate it warned of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_LIMIT = 1 << 20


class Settled(msgspec.Struct, frozen=True):
    """Everything seen before covered (UTC ns) had been sealed."""

    covered: int


class LastSettings(msgspec.Struct, frozen=True):
    """The effective settings of the last start and their SHA-256."""

    sha256: str
    values: dict[str, Any]


class LastCertificate(msgspec.Struct, frozen=True):
    """The last warning told: the certificate that ends at until (UTC ns) had at most days left."""

    until: int
    days: int


class LastRun:
    """Small files in the folder of watch's state.

    They are replaced, never edited. They are not flushed: after a power cut an older `covered` only makes the
    blind interval longer, which is the safe side.
    """

    def __init__(self, folder: Path) -> None:
        self._settled = folder / "settled.json"
        self._settings = folder / "settings.json"
        self._certificate = folder / "certificate.json"

    def covered(self) -> int | None:
        """Return up to when the last run had sealed all it saw (UTC ns); None when that is not known."""
        found = _read(self._settled, Settled)
        return found.covered if found else None

    def settle(self, covered: int) -> None:
        """Note covered.

        Raises:
            OSError: the disk does not take it.
        """
        _replace(self._settled, Settled(covered))

    def settings(self) -> LastSettings | None:
        """Return the settings of the last start; None when there was none."""
        return _read(self._settings, LastSettings)

    def keep_settings(self, settings: LastSettings) -> None:
        """Note the settings of this start.

        Raises:
            OSError: the disk does not take it.
        """
        _replace(self._settings, settings)

    def certificate(self) -> LastCertificate | None:
        """Return the last warning of a certificate that was told; None when there was none."""
        return _read(self._certificate, LastCertificate)

    def keep_certificate(self, told: LastCertificate) -> None:
        """Note the warning that was told.

        Raises:
            OSError: the disk does not take it.
        """
        _replace(self._certificate, told)


def _read(path: Path, shape: type[T]) -> T | None:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LIMIT), type=shape)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _replace(path: Path, value: Any) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(value))
    fresh.replace(path)
