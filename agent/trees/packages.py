"""Which package owns a path, and whether a file is as its package shipped it; from dpkg's files or rpm.

The index of paths in the watched trees lies beside the baseline on disk. dpkg's lists are read once, and
those of a package again when their mtime changed; rpm lists all it has once, and anew when its database
changed, and is asked for each path until that is read. Nothing is polled (R53): a change of a file is what
makes us look. What a package owned before it was read again is kept until the transaction is dealt with: of a
file that is gone nothing else tells whose it was.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path

from evidence.kind import Actor
from evidence.kinds.file import Explanation

from ..decode.package_db import Owned, Package, parse_list, parse_md5sums, parse_rpm, parse_status
from ..tree_change import Trees
from .package_lock import transaction_runs
from .pending_paths import is_installer
from .rpm_files import FORMAT, listed

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packages (
    name TEXT PRIMARY KEY, version TEXT, stamp INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (
    path BLOB PRIMARY KEY, digest TEXT, package TEXT, version TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_by_package ON owners (package);
CREATE TABLE IF NOT EXISTS former_owners (
    path BLOB PRIMARY KEY, digest TEXT, package TEXT, version TEXT) WITHOUT ROWID;
"""
_SHA256_DIGITS = 64
_RPM_SECONDS = 10
_RPM_FILES = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages", "Packages.db")
_MERGED = (b"/bin/", b"/sbin/", b"/lib/", b"/lib64/")

_Owner = tuple[str, str | None, str | None]
"""Package as the database names it, version, digest."""


class Packages:
    """The index. Methods raise sqlite3.Error when the disk fails."""

    def __init__(
        self,
        db: sqlite3.Connection,
        trees: Trees,
        *,
        dpkg: Path = Path("/var/lib/dpkg"),
        rpm: str | None = None,
        rpmdb: Path = Path("/var/lib/rpm"),
        locks: Path = Path("/proc/locks"),
    ) -> None:
        """Make the tables; rpm is the program to ask where there is no dpkg, None for none."""
        db.executescript(_SCHEMA)
        self._db = db
        self._trees = trees
        self._dpkg = dpkg
        self._rpm = rpm if not (dpkg / "status").is_file() else None
        self._rpmdb = rpmdb
        self._locks = locks
        self._merged = Path("/bin").is_symlink()
        self._refreshed: int | None = None
        self._asked: tuple[int | None, ...] | None = None
        self._tried: tuple[int | None, ...] | None = None
        self._whole: tuple[int | None, ...] | None = None
        self._former: dict[str, str | None] = {}
        self._learned = False

    def refresh(self) -> Generator[int, None, None]:
        """Read dpkg's lists that changed since they were read, in steps of one package, or all of rpm's."""
        if self._rpm is not None:
            yield from self._list_rpm(self._rpm)
            return
        info = self._dpkg / "info"
        self._refreshed = _stamp(info)
        stamps = {path.stem: _stamp(path) for path in info.glob("*.list")} if info.is_dir() else {}
        known = dict(self._db.execute("SELECT name, stamp FROM packages"))
        for name in known.keys() - stamps.keys():
            self._forget(name)
        stale = {name for name, stamp in stamps.items() if known.get(name) != stamp}
        versions = self._versions(stale)
        for name in sorted(stale):
            self._index(name, versions.get(name), stamps[name])
            yield 0
        self._learned = True

    def explain(
        self, path: bytes, md5: str | None, sha256: str | None, actor: Actor | None, *, gone: bool = False
    ) -> Explanation | None:
        """Return the package that owns path, or owned it until now; None when none does.

        matches is None for a file without digest, or one that differs while its package is being installed.
        A file that is gone matches when the package does not list it any more.
        """
        row = self._owner(path)
        listed = row is not None
        if row is None and gone:
            row = self._row(path, "former_owners")
        if row is None:
            return None
        package, version, digest = row
        found = sha256 if digest and len(digest) == _SHA256_DIGITS else md5
        matches = found == digest if digest and found else None
        if gone:
            matches = None if listed else True
        transaction = self._installing(actor)
        if matches is False and transaction:
            matches = None
        return Explanation(
            package=_plain_name(package), version=version, matches=matches, transaction=transaction
        )

    def versions(self, package: str) -> tuple[str | None, str | None]:
        """Return a package's version before the transaction, and now; None where it was or is not there.

        What rpm had before is not known of a package that was not asked for before.
        """
        if self._rpm is None and self._refreshed != _stamp(self._dpkg / "info"):
            deque(self.refresh(), maxlen=0)
        table = "packages" if self._rpm is None else "owners"
        name = "name" if self._rpm is None else "package"
        rows = self._db.execute(
            f"SELECT version FROM {table} WHERE ({name}=? OR {name} GLOB ? || ':*') AND version IS NOT NULL",  # noqa: S608 - of constants
            (package, package),
        )
        now = next((str(version) for (version,) in rows), None)
        return self._former.get(package, now), now

    @property
    def unlisted(self) -> bool:
        """Whether rpm's database changed since rpm was asked to list it."""
        return self._rpm is not None and self._tried != self._asked

    @property
    def unsettled(self) -> bool:
        """Whether something is known of before a transaction."""
        return bool(self._former)

    def settle(self) -> None:
        """Forget what was before: no transaction runs, and all its changes were dealt with."""
        if self._former:
            self._former.clear()
            self._db.execute("DELETE FROM former_owners")

    def _owner(self, path: bytes) -> _Owner | None:
        if self._rpm is not None:
            self._follow_rpm()
        row = self._row(path)
        if row is None and self._rpm is not None:
            return self._ask_rpm(path) if self._whole is None or self._whole != self._asked else None
        if self._rpm is None and self._is_stale(row):
            deque(self.refresh(), maxlen=0)  # only the lists that changed are read
            row = self._row(path)
        return row if row is not None and row[0] else None

    def _is_stale(self, row: _Owner | None) -> bool:
        """Whether dpkg has changed its lists, as far as that matters for a path with this row."""
        if row is None:
            return self._refreshed != _stamp(self._dpkg / "info")
        query = "SELECT stamp FROM packages WHERE name=?"
        (known,) = self._db.execute(query, (row[0],)).fetchone() or (None,)
        return _stamp(self._dpkg / "info" / f"{row[0]}.list") != known

    def _row(self, path: bytes, table: str = "owners") -> _Owner | None:
        query = f"SELECT package, version, digest FROM {table} WHERE path=?"  # noqa: S608 - of constants
        found: _Owner | None = self._db.execute(query, (path,)).fetchone()
        return found

    def _index(self, name: str, package: Package | None, stamp: int | None) -> None:
        """Put name's files of the watched trees into the index."""
        self._forget(name)
        base = self._dpkg / "info" / name
        digests: dict[bytes, str] = {}
        listed: list[bytes] = []
        # What is not watched is dropped line by line: packages of 50,000 files exist.
        with suppress(OSError), base.with_name(f"{name}.md5sums").open("rb") as lines:
            digests.update(found for found in parse_md5sums(lines) if self._is_watched(found[0]))
        with suppress(OSError), base.with_name(f"{name}.list").open("rb") as lines:
            listed.extend(path for path in parse_list(lines) if self._is_watched(path))
        if package is not None:
            digests.update(package.conffiles)
        version = package.version if package is not None and package.installed else None
        self._insert(Owned(path, digests.get(path), name, version or "") for path in listed)
        self._db.execute("INSERT OR REPLACE INTO packages VALUES (?,?,?)", (name, version, stamp))

    def _insert(self, files: Iterable[Owned]) -> None:
        rows = (
            (path, owned.digest, owned.package, owned.version or None)
            for owned in files
            if self._trees.holds(path := self._real(owned.path))
        )
        self._db.executemany("INSERT OR REPLACE INTO owners VALUES (?,?,?,?)", rows)

    def _is_watched(self, path: bytes) -> bool:
        return self._trees.holds(self._real(path))

    def _real(self, path: bytes) -> bytes:
        """Dpkg lists /bin/ls where /bin is a link to /usr/bin."""
        return b"/usr" + path if self._merged and path.startswith(_MERGED) else path

    def _forget(self, name: str) -> None:
        """Keep as former what is known of name, which is read anew or gone."""
        query = "SELECT version FROM packages WHERE name=?"
        known = self._db.execute(query, (name,)).fetchone()
        if known is not None or self._learned:
            self._former.setdefault(_plain_name(name), known[0] if known is not None else None)
        self._db.execute("INSERT OR REPLACE INTO former_owners SELECT * FROM owners WHERE package=?", (name,))
        self._db.execute("DELETE FROM owners WHERE package=?", (name,))
        self._db.execute("DELETE FROM packages WHERE name=?", (name,))

    def _versions(self, names: set[str]) -> dict[str, Package]:
        """Return name, as info/ spells it, to what the status file says."""
        found: dict[str, Package] = {}
        if not names:
            return found
        updates = self._dpkg / "updates"  # what a running dpkg has not put into its status file yet
        for source in (self._dpkg / "status", *(sorted(updates.glob("[0-9]*")) if updates.is_dir() else ())):
            with suppress(OSError), source.open("rb") as file:
                for package in parse_status(file):
                    for name in (package.name, f"{package.name}:{package.architecture}"):
                        if name in names:
                            found[name] = package
        return found

    def _follow_rpm(self) -> None:
        """Forget rpm's answers, but as former, when its database changed."""
        asked = tuple(_stamp(self._rpmdb / name) for name in _RPM_FILES)
        if asked != self._asked:
            for name, version in self._db.execute("SELECT DISTINCT package, version FROM owners").fetchall():
                self._former.setdefault(name, version)
            self._db.execute("INSERT OR REPLACE INTO former_owners SELECT * FROM owners")
            self._db.execute("DELETE FROM owners")
            self._asked = asked

    def _list_rpm(self, rpm: str) -> Generator[int, None, None]:
        """Index all that rpm has in the trees, in small steps; where that fails it is asked for each path."""
        self._follow_rpm()
        self._tried = asked = self._asked
        lines = listed(rpm)
        try:
            while True:
                self._insert(parse_rpm(next(lines)))
                yield 0
        except StopIteration as end:
            if end.value and asked == self._asked:
                self._whole = asked
        finally:
            lines.close()

    def _ask_rpm(self, path: bytes) -> _Owner | None:
        """Index the package that owns path."""
        command = [self._rpm or "rpm", "-qf", "--qf", FORMAT, os.fsdecode(path)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_RPM_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        self._insert(parse_rpm(done.stdout) if done.returncode == 0 else ())
        return self._row(path)

    def _installing(self, actor: Actor | None) -> bool:
        """Whether actor is a package manager, or one holds dpkg's lock."""
        if is_installer(actor):
            return True
        return transaction_runs(self._dpkg, self._locks)


def _plain_name(name: str) -> str:
    """Return a package's name without the architecture that dpkg adds to some."""
    return name.partition(":")[0]


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
