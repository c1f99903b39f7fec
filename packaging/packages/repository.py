"""Signed repositories of our packages for apt and for dnf: plain folders, to be served by any web server."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from runtime import shell
from runtime.toolchain import EPOCH

from .signing import Keys

SUITE = "stable"
_COMPONENT = "main"
_ARCHITECTURES = ("amd64", "arm64")


def apt(packages: Sequence[Path], target: Path, keys: Keys, key: str) -> None:
    """Make the apt repository target with the debs among packages, its InRelease signed by key.

    Raises:
        BuildFailed: apt-ftparchive or gpg failed.
    """
    shell.need({"apt-ftparchive": "apt-utils"})
    _copy(packages, ".deb", target / "pool" / _COMPONENT)
    suite = target / "dists" / SUITE
    for architecture in _ARCHITECTURES:
        folder = suite / _COMPONENT / f"binary-{architecture}"
        folder.mkdir(parents=True, exist_ok=True)
        listed = _archive(["--arch", architecture, "packages", "pool"], target)
        (folder / "Packages").write_bytes(listed)
        (folder / "Packages.gz").write_bytes(gzip.compress(listed, 9, mtime=0))
    told = {
        "Origin": "Vedette",
        "Label": "Vedette",
        "Suite": SUITE,
        "Codename": SUITE,
        "Components": _COMPONENT,
        "Architectures": " ".join(_ARCHITECTURES),
        "Date": format_datetime(datetime.fromtimestamp(int(EPOCH), UTC)),
    }
    options = [
        word for name, value in told.items() for word in ("-o", f"APT::FTPArchive::Release::{name}={value}")
    ]
    release = suite / "Release"
    release.unlink(missing_ok=True)
    release.write_bytes(_archive([*options, "release", str(suite)], target))
    keys.clearsign(release, suite / "InRelease", key)
    keys.detach(release, suite / "Release.gpg", key)


def _archive(words: Sequence[str], folder: Path) -> bytes:
    return subprocess.run(["apt-ftparchive", *words], cwd=folder, capture_output=True, check=True).stdout


def rpm(packages: Sequence[Path], target: Path, keys: Keys, key: str) -> None:
    """Make the repository target for dnf with the rpms among packages, its repomd.xml signed by key.

    Raises:
        BuildFailed: createrepo_c or gpg failed.
    """
    shell.need({"createrepo_c": "createrepo-c"})
    _copy(packages, ".rpm", target / "packages")
    shell.run(["createrepo_c", "--quiet", "--revision", EPOCH, "--set-timestamp-to-revision", target], target)
    listed = target / "repodata" / "repomd.xml"
    keys.detach(listed, listed.with_name("repomd.xml.asc"), key)


def _copy(packages: Sequence[Path], ending: str, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in packages:
        if path.suffix == ending:
            shutil.copyfile(path, target / path.name)
