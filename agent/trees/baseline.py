"""The last known state of every file in the watched trees, in SQLite: known files cost disk, not memory."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

from evidence.kinds.file import FileState

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    folder BLOB NOT NULL, name BLOB NOT NULL, type TEXT NOT NULL, size INTEGER, sha256 BLOB, mode INTEGER,
    uid INTEGER, gid INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER, extra BLOB, content BLOB,
    PRIMARY KEY (folder, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_inode ON files (inode);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
"""
_VERSION = 1
_GET = """
SELECT type, size, sha256, mode, uid, gid, mtime, ctime, inode, extra, content FROM files
WHERE folder=? AND name=?
"""
_KNOWS = "SELECT 1 FROM files WHERE folder=? AND name=?"
_PUT = "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
_GLANCE = "SELECT name, type, size, mtime, ctime, inode FROM files WHERE folder=? AND name>?"
_CACHE_KIB = 1024
_ROWS = 256
"""Rows that are put at once: a statement for each costs three times as much."""

Row = tuple[bytes | str | int | None, ...]


class _Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What few files have."""

    target: str | None = None
    xattrs: dict[str, str] | None = None
    capabilities: str | None = None


class Known(msgspec.Struct, frozen=True):
    """A file's state when it was last looked at, its ctime, and what is kept of its content."""

    state: FileState
    ctime: int
    content: bytes | None = None


class Baseline:
    """Every method raises sqlite3.Error when the disk fails; the feed then arms anew."""

    def __init__(self, path: Path) -> None:
        """Open or make the database; one that is damaged is moved aside, and everything is learned again.

        Raises:
            sqlite3.Error: path cannot be opened nor made.
        """
        self.moved_aside = False
        try:
            self._db = _connect(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            path.replace(path.with_suffix(".damaged"))
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._db = _connect(path)
            self.moved_aside = True
        self._decoder = msgspec.json.Decoder(_Extra)
        self._rows: list[Row] = []
        self._facts: dict[str, bytes] = dict(self._db.execute("SELECT name, value FROM facts"))

    @property
    def db(self) -> sqlite3.Connection:
        """Return the connection, for tables that belong to others in the same file."""
        return self._db

    def get(self, path: bytes) -> Known | None:
        """Return what is known of path."""
        self._write()
        found = self._db.execute(_GET, os.path.split(path)).fetchone()
        return None if found is None else self._known(found)

    def knows(self, path: bytes) -> bool:
        """Return whether anything is known of path."""
        self._write()
        return self._db.execute(_KNOWS, os.path.split(path)).fetchone() is not None

    def put(self, path: bytes, known: Known) -> None:
        """Remember path's state."""
        folder, name = os.path.split(path)
        self.learn(folder, name, known)

    def learn(self, folder: bytes, name: bytes, known: Known) -> None:
        """Remember the state of name in folder; it is written with others, before anything is read."""
        state = known.state
        extra = None
        if state.target is not None or state.xattrs is not None or state.capabilities is not None:
            extra = msgspec.json.encode(_Extra(state.target, state.xattrs, state.capabilities))
        sha256 = bytes.fromhex(state.sha256) if state.sha256 else None
        self._rows.append(
            (
                *(folder, name, state.type, state.size, sha256, state.mode, state.uid, state.gid),
                *(state.mtime, known.ctime, _signed(state.inode), extra, known.content),
            )
        )
        if len(self._rows) >= _ROWS:
            self._write()

    def glance(self, folder: bytes, after: bytes, to: bytes | None) -> dict[bytes, Row]:
        """Return `glimpse`s of what is known in folder, of the names after `after` up to `to`."""
        self._write()
        if to is None:
            found = self._db.execute(_GLANCE, (folder, after))
        else:
            found = self._db.execute(f"{_GLANCE} AND name<=?", (folder, after, to))
        return {row[0]: row[1:] for row in found}

    def remove(self, path: bytes) -> None:
        """Forget path."""
        self._write()
        self._db.execute("DELETE FROM files WHERE folder=? AND name=?", os.path.split(path))

    def under(self, folder: bytes, limit: int) -> list[bytes]:
        """Return up to limit known paths below folder, at any depth."""
        self._write()
        rows = self._db.execute(
            "SELECT folder, name FROM files WHERE folder=? OR (folder>=? AND folder<?) LIMIT ?",
            (folder, folder + b"/", folder + b"0", limit),
        )
        return [parent.rstrip(b"/") + b"/" + name for parent, name in rows]

    def of_inode(self, inode: int, limit: int) -> list[bytes]:
        """Return up to limit known paths of files that had that inode number."""
        self._write()
        rows = self._db.execute(
            "SELECT folder, name FROM files WHERE inode=? LIMIT ?", (_signed(inode), limit)
        )
        return [parent.rstrip(b"/") + b"/" + name for parent, name in rows]

    def move(self, former: bytes, path: bytes) -> None:
        """Let everything known below the folder former be below path."""
        for old in self.under(former, 1 << 30):
            known = self.get(old)
            if known is not None:
                self.remove(old)
                self.put(path + old[len(former) :], known)

    def fact(self, name: str) -> bytes | None:
        """Return a remembered value."""
        return self._facts.get(name)

    def set_fact(self, name: str, value: bytes) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value))
        self._facts[name] = value

    def count(self) -> int:
        """Return how many files are known."""
        self._write()
        return int(self._db.execute("SELECT count(*) FROM files").fetchone()[0])

    @property
    def changed(self) -> bool:
        """Whether something was put or removed since the last commit."""
        return bool(self._rows) or self._db.in_transaction

    def abandon(self) -> None:
        """Close without what was not committed."""
        self._rows.clear()
        self._db.rollback()
        self._db.close()

    def commit(self) -> None:
        """Make what was put and removed durable."""
        self._write()
        self._db.commit()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            self._db.close()

    def _write(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._db.executemany(_PUT, rows)

    def _known(self, row: tuple[object, ...]) -> Known:
        kind, size, sha256, mode, uid, gid, mtime, ctime, inode, extra, content = row
        more = self._decoder.decode(extra) if isinstance(extra, bytes) else _Extra()
        state = FileState(
            type=str(kind),
            size=_int(size),
            sha256=sha256.hex() if isinstance(sha256, bytes) else None,
            mode=_int(mode),
            uid=_int(uid),
            gid=_int(gid),
            mtime=_int(mtime),
            inode=_unsigned(_int(inode)),
            target=more.target,
            xattrs=more.xattrs,
            capabilities=more.capabilities,
        )
        return Known(state, _int(ctime) or 0, content if isinstance(content, bytes) else None)


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, cached_statements=32)
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"{path} is of version {version}, not {_VERSION}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version={_VERSION}")
        db.execute("SELECT count(*) FROM facts").fetchone()
        db.commit()
    except sqlite3.Error:
        db.close()
        raise
    return db


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def glimpse(state: FileState, ctime: int) -> Row:
    """Return what `Baseline.glance` returns for a file in that state."""
    return state.type, state.size, state.mtime, ctime, _signed(state.inode)


def _signed(value: int | None) -> int | None:
    """SQLite's integers are signed; an inode number is not."""
    return value if value is None or value < 1 << 63 else value - (1 << 64)


def _unsigned(value: int | None) -> int | None:
    return value if value is None or value >= 0 else value + (1 << 64)
