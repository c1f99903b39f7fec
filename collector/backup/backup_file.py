"""The file of a backup: a tar whose last member lists all others with their SHA-256. Streamed both ways.

Without that list, whose own SHA-256 stands behind it, there is no backup: what was cut short is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

import msgspec

from evidence import strict
from evidence.errors import CodecError
from evidence.statement import Count, Hash

from .. import files
from ..errors import BackupError

FORMAT = "vedette-backup-v1"
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 64 << 20
_CHUNK = 1 << 20
_UNFINISHED = ".vedette-partial"
_NAME = re.compile(
    r"settings/collector\.toml|settings/collector\.d/[\w.-]{1,100}\.toml"
    r"|keys/(?:ledger|agent|redaction)\.key|ca/[\w-]{1,40}\.(?:pem|key)|identity\.json|log\.json|state\.db"
    r"|ledger/(?:entries|data)/[0-9]{9}"
)


class Member(msgspec.Struct, frozen=True):
    """One file of a backup."""

    name: str
    size: Count
    sha256: Hash


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds: the ledger up to a signed checkpoint, and the files. made is UTC ns."""

    format: str
    version: str
    made: Count
    ledger_key: str
    checkpoint: str
    size: Count
    files: tuple[Member, ...]


_decoder = msgspec.json.Decoder(Manifest)


class Writer:
    """Adds members one after another."""

    def __init__(self, out: BinaryIO) -> None:
        self._tar = tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
        self.members: list[Member] = []

    def add(self, name: str, size: int, source: BinaryIO) -> None:
        """Add the first size bytes of source.

        Raises:
            BackupError: it has fewer.
        """
        reading = _Hashing(source)
        try:
            self._tar.addfile(_info(name, size), reading)
        except OSError as error:
            raise BackupError(f"backup: {name}: {error}") from error
        self.members.append(Member(name, size, reading.digest.hexdigest()))

    def finish(self, version: str, made: int, ledger_key: str, checkpoint: bytes, size: int) -> Manifest:
        """Add the list of all members and end the file."""
        manifest = Manifest(FORMAT, version, made, ledger_key, checkpoint.decode(), size, tuple(self.members))
        line = msgspec.json.encode(manifest)
        raw = line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"
        self._tar.addfile(_info(MANIFEST, len(raw)), io.BytesIO(raw))
        self._tar.close()
        return manifest


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


class _Hashing:
    """A source that hashes what is read of it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        raw = self._source.read(size)
        self.digest.update(raw)
        return raw


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file that appears as path once all is written and durable, and not at all otherwise.

    Raises:
        BackupError: path is there already.
        OSError: it cannot be written.
    """
    _remove_left(path.parent)
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(file, "wb") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            yield out
            out.flush()
            os.fsync(out.fileno())
        try:
            path.hardlink_to(name)
        except FileExistsError as error:
            raise BackupError(f"{path}: is there already; a backup never replaces another") from error
    finally:
        Path(name).unlink(missing_ok=True)
    files.sync_folder(path.parent)


def _remove_left(folder: Path) -> None:
    """Remove what killed backups left in folder: nobody holds the lock of such a file."""
    for path in folder.glob(f".*{_UNFINISHED}"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


Take = Callable[[str, int, IO[bytes]], None]
"""Takes a member: its name, its size, and a stream to be read to its end."""


def read(source: BinaryIO, take: Take) -> Manifest:
    """Hand each member to take, and return the manifest once all is found to be as it says.

    Raises:
        BackupError: it is no backup, is cut short, damaged, or has a file that no backup has.
    """
    found: list[Member] = []
    last: bytes | None = None
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for info in tar:
                if last is not None:
                    raise BackupError("backup: something follows the manifest")
                if info.name == MANIFEST and info.isreg() and info.size <= MANIFEST_LIMIT:
                    last = _content(tar, info).read()
                else:
                    found.append(_take(tar, info, take))
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"backup: cut short or no backup: {error}") from error
    if last is None:
        raise BackupError("backup: cut short: it has no manifest")
    manifest = _manifest(last)
    if manifest.files != tuple(found):
        wrong = next(
            (a.name for a, b in zip(found, manifest.files, strict=False) if a != b), "a file is missing"
        )
        raise BackupError(f"backup: damaged: {wrong}: not what the manifest lists")
    return manifest


def _take(tar: tarfile.TarFile, info: tarfile.TarInfo, take: Take) -> Member:
    if not info.isreg() or not _NAME.fullmatch(info.name):
        raise BackupError(f"backup: {info.name[:100]!r}: no file of a backup")
    reading = _Hashing(_content(tar, info))
    take(info.name, info.size, reading)  # type: ignore[arg-type]
    while reading.read(_CHUNK):
        pass
    return Member(info.name, info.size, reading.digest.hexdigest())


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise BackupError(f"backup: {info.name[:100]!r}: has no content")
    return content


def _manifest(raw: bytes) -> Manifest:
    line, _, rest = raw.partition(b"\n")
    if hashlib.sha256(line).hexdigest().encode() != rest.strip():
        raise BackupError("backup: the manifest is damaged: its checksum does not fit")
    try:
        manifest = strict.decode(_decoder, line, "manifest")
    except CodecError as error:
        raise BackupError(f"backup: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"backup: of format {manifest.format[:40]!r}; this version reads {FORMAT}")
    return manifest
