"""Make a backup while the collector serves: the ledger up to one checkpoint, and what cannot be made anew.

The database is copied first: what it says of the ledger's entries is then never ahead of them.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from .. import settings_file
from ..errors import BackupError, LedgerError
from ..ledger import layout, scan
from ..ledger.layout import SEGMENT
from ..ledger.reader import LedgerReader
from ..paths import Paths
from ..version import VERSION
from .backup_file import Manifest, Writer, whole

_PAGES = 256
"""Pages of the database copied at once, so that writers wait for a moment only."""


def back_up(paths: Paths, config: Path, to: Path, now: int) -> Manifest:
    """Write a backup to the file `to`, which must not be there; now is UTC ns.

    Raises:
        BackupError: something is missing, or went while it was read; nothing is left then.
        LedgerError: the ledger is damaged; nothing is left then.
        OSError: a file cannot be read or written.
    """
    with whole(to) as out, tempfile.TemporaryDirectory(prefix=".vedette-backup-", dir=to.parent) as folder:
        copy = Path(folder) / "state.db"
        _copy_database(paths.state_db, copy)
        reader = LedgerReader(paths.ledger)
        head, note = reader.checkpoint(), reader.note()
        scan.rebuild(paths.ledger, head)
        writer = Writer(out)
        for name, path in [*_settings(config), *_secrets(paths), ("state.db", copy)]:
            _add(writer, name, path)
        for name, path, size in _ledger(paths.ledger, head.size):
            _add(writer, name, path, size)
        return writer.finish(VERSION, now, str(reader.key), note, head.size)


def _settings(config: Path) -> Iterator[tuple[str, Path]]:
    for path in settings_file.files(config):
        folder = "settings" if path == config else "settings/collector.d"
        yield f"{folder}/{'collector.toml' if path == config else path.name}", path


def _secrets(paths: Paths) -> Iterator[tuple[str, Path]]:
    """Yield keys, certificate authority and identity."""
    for path in (paths.ledger_key, paths.agent_key, paths.redaction_key):
        yield f"keys/{path.name}", path
    for path in sorted(paths.ca.iterdir()):
        if not path.name.startswith("."):
            yield f"ca/{path.name}", path
    if paths.log_name.exists():
        yield "log.json", paths.log_name
    yield "identity.json", paths.identity


def _ledger(folder: Path, size: int) -> Iterator[tuple[str, Path, int]]:
    """Yield the files of the first size entries, each with the bytes of it that count."""
    for segment in range(-(-size // SEGMENT)):
        first = segment * SEGMENT
        count = min(size - first, SEGMENT)
        entries, data = folder / layout.entries_name(segment), folder / layout.data_name(segment)
        yield f"ledger/{layout.entries_name(segment)}", entries, scan.entries_end(entries, count)
        if data.exists():
            yield f"ledger/{layout.data_name(segment)}", data, scan.data_end(data, first, count)


def _add(writer: Writer, name: str, path: Path, size: int | None = None) -> None:
    try:
        with path.open("rb") as source:
            writer.add(name, os.fstat(source.fileno()).st_size if size is None else size, source)
    except FileNotFoundError as error:
        raise BackupError(f"{path}: went while the backup was made; make it again") from error


def _copy_database(path: Path, to: Path) -> None:
    """Copy the database as it stands at one moment, while others write to it."""
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}") from error
