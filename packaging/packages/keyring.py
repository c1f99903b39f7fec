"""The package vedette-keyring: the public keys of the repositories, two at a time while one takes over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import nfpm, notices, staging
from .nfpm import Release
from .signing import Keys

NAME = "vedette-keyring"


def build(
    writer: Path, keys: Keys, fingerprints: Sequence[str], release: Release, places: tuple[Path, Path]
) -> list[Path]:
    """Make the keyring's deb and rpm; places are the folder to work in and that of the packages.

    fingerprints name the key that signs now, and the one that will: hosts know the next key before anything
    is signed by it.

    Raises:
        BuildFailed: gpg or nfpm failed.
    """
    work, out = places
    staged = work / NAME
    staged.mkdir(parents=True)
    keys.export(fingerprints, staged / "vedette-archive-keyring.gpg", armoured=False)
    keys.export(fingerprints, staged / "RPM-GPG-KEY-vedette", armoured=True)
    (staged / "doc").mkdir()
    (staged / "doc" / "copyright").write_text(notices.copyright_text([]))
    (staged / "doc" / "changelog.yaml").write_text(notices.changelog(NAME, release.version))
    staging.settle(staged)
    return nfpm.pack(writer, NAME, release, staged, out)
