"""The modules that lie in a package's folder, by name; pkgutil would load `inspect`, a megabyte for good."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_ENDINGS = frozenset({".py", ".pyc"})


def names(folders: Iterable[str]) -> list[str]:
    """Return the names of the modules and packages in the folders of a package's __path__, in order.

    Raises:
        OSError: a folder cannot be listed.
    """
    found = {name for folder in folders for path in Path(folder).iterdir() if (name := _name(path))}
    return sorted(found)


def _name(path: Path) -> str | None:
    """Return what a path in a package's folder is imported as, None if it is no module."""
    if path.suffix in _ENDINGS:
        return path.stem if path.stem != "__init__" else None
    is_package = any((path / f"__init__{ending}").exists() for ending in _ENDINGS)
    return path.name if is_package else None
