"""Restore a backup into an empty state folder, and open a new log in it that names the old one.

All is made in a folder inside and moved out of it once it was verified; identity.json, without which nothing
serves, is moved last. So a restore that was killed left nothing that serves, and the next one begins anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, BinaryIO

import msgspec

from evidence import checkpoint, successor
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType
from evidence.errors import BadCheckpoint
from evidence.kinds.collector import Act
from evidence.successor import Record

from .. import files, identity
from ..audit import inspection
from ..clock import SystemClock
from ..errors import BackupError
from ..ledger import layout, note
from ..ledger_access import log_name
from ..ledger_access.keeper import Keeper
from ..ledger_access.log_name import LogName
from ..paths import Paths
from . import backup_file
from .backup_file import Manifest

_CHUNK = 1 << 20
_SETTINGS = "settings/"
_OF_FILE_SYSTEM = "lost+found"
_SETTINGS_LIMIT = 16 << 20
Step = Callable[[str], None]
"""Called with the name of each durable step, once it is done."""


class NewLog(msgspec.Struct, frozen=True):
    """The new log's name, who begins it, and why."""

    origin: str
    author: str
    reason: str = ""


def look(source: BinaryIO) -> tuple[Manifest, dict[str, bytes]]:
    """Read a whole backup, and return its manifest and its settings files once every byte is as listed.

    Raises:
        BackupError: it is damaged, or its checkpoint is not signed by its own ledger's key.
        OSError: it cannot be read.
    """
    settings: dict[str, bytes] = {}

    def take(name: str, size: int, content: IO[bytes]) -> None:
        if name.startswith(_SETTINGS):
            if size + sum(map(len, settings.values())) > _SETTINGS_LIMIT:
                raise BackupError("backup: settings of more than 16 MiB")
            settings[name.removeprefix(_SETTINGS)] = content.read()

    source.seek(0)
    manifest = backup_file.read(source, take)
    try:
        head = checkpoint.verify_note(
            manifest.checkpoint.encode(), checkpoint.parse_vkey(manifest.ledger_key)
        )
    except BadCheckpoint as error:
        raise BackupError(f"backup: {error}") from error
    if head.size != manifest.size:
        raise BackupError("backup: its checkpoint is of another size than the manifest says")
    return manifest, settings


def check_empty(root: Path) -> None:
    """Check that there is nothing to lose in root, and remove what a killed restore left.

    Raises:
        BackupError: there is.
    """
    if not root.exists():
        return
    if Paths(root).identity.exists():
        raise BackupError(f"{root}: a collector was set up here; restore into an empty folder")
    found = sorted(path.name for path in root.iterdir() if path.name != _OF_FILE_SYSTEM)
    if found and not Paths(root).restoring.is_dir():
        raise BackupError(f"{root}: not empty ({', '.join(found[:5])}); restore into an empty folder")
    for path in root.iterdir():
        if path.name != _OF_FILE_SYSTEM and path != Paths(root).restoring:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    files.sync_folder(root)
    shutil.rmtree(Paths(root).restoring, ignore_errors=True)


def restore(source: BinaryIO, root: Path, new: NewLog, step: Step = lambda _: None) -> Record:
    """Restore a backup that was looked at into root, as a new log; return what that says first.

    Raises:
        BackupError: root is not empty, or what was restored does not verify; nothing serves then.
        OSError: a file cannot be written.
    """
    check_empty(root)
    files.make_folder(root)
    inner = Paths(Paths(root).restoring)
    files.make_folder(inner.root)
    files.sync_folder(root)
    step("begun")
    source.seek(0)
    manifest = backup_file.read(source, lambda name, _, content: _put(inner.root, name, content))
    step("unpacked")
    _verify(inner, manifest)
    step("verified")
    record = _succeed(inner, manifest, new)
    step("new log")
    _move_out(inner.root, root, step)
    return record


def _put(root: Path, name: str, content: IO[bytes]) -> None:
    if name.startswith(_SETTINGS):
        return
    path = root / name
    for folder in reversed(path.relative_to(root).parents[:-1]):
        files.make_folder(root / folder)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as out:
        shutil.copyfileobj(content, out, _CHUNK)
        out.flush()
        os.fsync(out.fileno())
    files.sync_folder(path.parent)


def _verify(inner: Paths, manifest: Manifest) -> None:
    """Check the unpacked ledger from its raw bytes against the backup's checkpoint.

    Raises:
        BackupError: it is not sound, or the key is not the ledger's.
    """
    key = checkpoint.parse_vkey(manifest.ledger_key)
    if identity.ledger_signer(inner).public != key.public:
        raise BackupError("backup: keys/ledger.key is not the key of its ledger")
    files.write(inner.ledger / layout.SLOTS, note.slots_of(manifest.checkpoint.encode()))
    files.write(inner.ledger / layout.VERIFIER_KEY, f"{key}\n".encode())
    report = inspection.inspect(inner.ledger, key, lambda _done, _all: None)
    if not report.sound:
        raise BackupError(f"backup: its ledger is not sound: {report.problems[0].what}")


def _succeed(inner: Paths, manifest: Manifest, new: NewLog) -> Record:
    """Begin the new log: the former one's entries under the new name, and the entry that says so."""
    former, clock = checkpoint.parse_vkey(manifest.ledger_key), SystemClock()
    signer = identity.ledger_signer(inner)
    head = checkpoint.verify_note(manifest.checkpoint.encode(), former)
    first = checkpoint.sign(Checkpoint(new.origin, head.size, head.root), signer)
    files.write(inner.ledger / layout.SLOTS, note.slots_of(first))
    (inner.ledger / layout.PUBLISHED).unlink(missing_ok=True)
    key = VerifierKey(new.origin, signer.public)
    record = Record(str(former), manifest.checkpoint, str(key), clock.now(), new.author, new.reason)
    payload = msgspec.json.encode(record)
    successor.join(payload, head.size)
    with closing(Keeper(inner, new.origin, clock)) as keeper:
        keeper.append(EntryType.SUCCESSOR, payload)
        joins = tuple(index for index, _ in keeper.projection.joins)
        keeper.record(
            Act(user=new.author, verb="collector.restore", object=former.name, detail={"reason": new.reason})
        )
    log_name.write(inner, LogName(new.origin, joins))
    _sync(inner.root)
    return record


def _sync(folder: Path) -> None:
    """Make all below folder durable."""
    for path in folder.iterdir():
        if path.is_dir():
            _sync(path)
            continue
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    files.sync_folder(folder)


def _move_out(inner: Path, root: Path, step: Step) -> None:
    for path in sorted(inner.iterdir(), key=lambda path: (path.name == "identity.json", path.name)):
        if path.name == "identity.json":
            files.sync_folder(root)
            step("moved")
        path.rename(root / path.name)
        step(f"moved {path.name}")
    files.sync_folder(root)
    inner.rmdir()
