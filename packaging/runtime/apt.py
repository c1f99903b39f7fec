"""Fetches the pinned Debian sources through apt, with lists and settings of its own, and unpacks them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
from pathlib import Path

from . import shell
from .errors import BuildFailed, SourceRefused
from .sources import SUITES, Source

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_TOOLS = {"apt-get": "apt", "patch": "patch"}


def fetched(source: Source, cache: Path) -> list[Path]:
    """Return the files of source in the cache, fetched and checked against their pinned hashes.

    Raises:
        SourceRefused: the mirror no longer has this version, or gives other bytes.
    """
    folder = cache / "sources"
    files = [folder / name for name in source.files]
    if not all(file.exists() for file in files):
        _fetch(source, folder, cache / "apt")
    for file, pinned in zip(files, source.files.values(), strict=True):
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != pinned:
            file.unlink()
            raise SourceRefused(f"{file.name} has sha256 {found}, pinned is {pinned}")
    return files


def _fetch(source: Source, folder: Path, settings: Path) -> None:
    shell.need(_TOOLS)
    folder.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "-qq", *_options(settings)]
    if not (settings / "fresh").exists():
        shell.run([*command, "update"], folder)
        (settings / "fresh").touch()
    try:
        shell.run([*command, "source", "--download-only", f"{source.name}={source.version}"], folder)
    except BuildFailed as error:
        (settings / "fresh").unlink()
        raise SourceRefused(
            f"the mirror has no {source.name} {source.version}: raise it in runtime/sources.py\n{error}"
        ) from error


def _options(settings: Path) -> list[str]:
    """Write an apt configuration that has only the source suites, and return the options that choose it."""
    for name in ("lists/partial", "archives/partial", "parts"):
        (settings / name).mkdir(parents=True, exist_ok=True)
    mirrors = _mirrors()
    (settings / "sources.list").write_text(
        "".join(
            f"deb-src [signed-by={_KEYRING}] {mirrors[archive]} {suite} main\n" for archive, suite in SUITES
        )
    )
    chosen = {
        "Dir::Etc::sourcelist": settings / "sources.list",
        "Dir::Etc::sourceparts": settings / "parts",
        "Dir::State::lists": settings / "lists",
        "Dir::Cache": settings,
    }
    return [word for key, value in chosen.items() for word in ("-o", f"{key}={value}")]


def _mirrors() -> dict[str, str]:
    """Return archive name to its address, as the machine's own apt has them.

    Raises:
        SourceRefused: this machine's apt has no Debian archive.
    """
    shell.need(_TOOLS)
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
    ).stdout.split()
    found = {address.rstrip("/").rpartition("/")[2]: address for address in listed}
    missing = sorted({archive for archive, _ in SUITES} - found.keys())
    if missing:
        raise SourceRefused(
            f"apt on this machine has no mirror of {', '.join(missing)}: add one, as on Debian"
        )
    return found


def unpack(source: Source, cache: Path, folder: Path) -> None:
    """Unpack source into the empty folder, and apply those of Debian's patches that its row names."""
    original, changes = fetched(source, cache)
    debian = folder.parent / f"{folder.name}.debian"
    with tarfile.open(original) as archive:
        _extract(archive, folder, _without_top(archive))
    with tarfile.open(changes) as archive:
        _extract(archive, debian, archive.getmembers())
    series = (debian / "debian/patches/series").read_text() if source.patches != "^$" else ""
    for line in series.splitlines():
        name = line.split("#")[0].strip()
        if name and re.search(source.patches, name):
            patch = (debian / "debian/patches" / name).read_bytes()
            shell.run(
                ["patch", "-p1", "--silent", "--forward", "--no-backup-if-mismatch"], folder, stdin=patch
            )


def _extract(archive: tarfile.TarFile, folder: Path, members: list[tarfile.TarInfo]) -> None:
    """Extract members of an archive that is pinned by its hash; Debian 12's Python knows no filter yet."""
    archive.extraction_filter = getattr(tarfile, "data_filter", None)
    archive.extractall(folder, members)  # noqa: S202 - pinned by its hash


def _without_top(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Return the members with the first folder of their names removed."""
    members = [member for member in archive.getmembers() if "/" in member.name]
    for member in members:
        member.name = member.name.partition("/")[2]
        if member.islnk():
            member.linkname = member.linkname.partition("/")[2]
    return members
