"""Which package owns a path, and whether a file is as its package shipped it; from dpkg's files or rpm.

The index of paths in the watched trees lies beside the baseline on disk. dpkg's lists are read once, and
those of a package again when their mtime changed; rpm is asked once for each package that owns a changed
file. Nothing is polled (R53): a change of a file is what makes us look.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from pathlib import Path, PurePath

from evidence.kind import Actor
from evidence.kinds.file import Explanation

from .decode.package_db import (
    Owned,
    Package,
    parse_list,
    parse_md5sums,
    parse_rpm,
    parse_status,
)
from .package_lock import transaction_runs
from .tree_change import Trees

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packages (
    name TEXT PRIMARY KEY, version TEXT, stamp INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (
    path BLOB PRIMARY KEY, digest TEXT, package TEXT, version TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_by_package ON owners (package);
"""
_INSTALLERS = frozenset(
    (
        *("dpkg", "apt", "apt-get", "aptitude", "unattended-upgrade"),
        *("rpm", "dnf", "dnf-3", "yum", "microdnf", "zypper"),
    )
)
_SHA256_DIGITS = 64
_RPM_SECONDS = 10
_RPM_FORMAT = r"[%{=NAME}\t%{=VERSION}-%{=RELEASE}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"
_MERGED = (b"/bin/", b"/sbin/", b"/lib/", b"/lib64/")


class Packages:
    """The index. Methods raise sqlite3.Error when the disk fails."""

    def __init__(
        self,
        db: sqlite3.Connection,
        trees: Trees,
        *,
        dpkg: Path = Path("/var/lib/dpkg"),
        rpm: str | None = None,
        locks: Path = Path("/proc/locks"),
    ) -> None:
        """Make the tables; rpm is the program to ask where there is no dpkg, None for none."""
        db.executescript(_SCHEMA)
        self._db = db
        self._trees = trees
        self._dpkg = dpkg
        self._rpm = rpm if not (dpkg / "status").is_file() else None
        self._locks = locks
        self._merged = Path("/bin").is_symlink()
        self._refreshed: int | None = None

    def refresh(self) -> Generator[int, None, None]:
        """Read dpkg's lists that changed since they were read, in steps of one package."""
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

    def explain(
        self, path: bytes, md5: str | None, sha256: str | None, actor: Actor | None
    ) -> Explanation | None:
        """Return the package that owns path, None when none does.

        matches is None for a file without digest, or one that differs while its package is being installed.
        """
        row = self._owner(path)
        if row is None:
            return None
        package, version, digest = row
        found = sha256 if digest and len(digest) == _SHA256_DIGITS else md5
        matches = found == digest if digest and found else None
        transaction = self._installing(actor)
        if matches is False and transaction:
            matches = None
        return Explanation(
            package=package.split(":", 1)[0], version=version, matches=matches, transaction=transaction
        )

    def _owner(self, path: bytes) -> tuple[str, str | None, str | None] | None:
        row = self._row(path)
        if row is None and self._rpm is not None:
            return self._ask_rpm(path)
        if row is None and self._refreshed != _stamp(self._dpkg / "info"):
            deque(self.refresh(), maxlen=0)  # a package was installed: its list is the only one read
            row = self._row(path)
        if row is None:
            return None
        listed = self._dpkg / "info" / f"{row[0]}.list"
        stamp = _stamp(listed)
        (known,) = self._db.execute("SELECT stamp FROM packages WHERE name=?", (row[0],)).fetchone() or (
            None,
        )
        if self._rpm is None and stamp is not None and stamp != known:
            self._index(row[0], self._versions({row[0]}).get(row[0]), stamp)
            row = self._row(path)
        return row if row is not None and row[0] else None

    def _row(self, path: bytes) -> tuple[str, str | None, str | None] | None:
        query = "SELECT package, version, digest FROM owners WHERE path=?"
        found: tuple[str, str | None, str | None] | None = self._db.execute(query, (path,)).fetchone()
        return found

    def _index(self, name: str, package: Package | None, stamp: int | None) -> None:
        """Put name's files of the watched trees into the index."""
        self._forget(name)
        base = self._dpkg / "info" / name
        digests: dict[bytes, str] = {}
        listed: list[bytes] = []
        with suppress(OSError):
            digests.update(parse_md5sums(base.with_name(f"{name}.md5sums").read_bytes()))
        with suppress(OSError):
            listed.extend(parse_list(base.with_name(f"{name}.list").read_bytes()))
        if package is not None:
            digests.update(package.conffiles)
        version = package.version if package is not None else None
        self._insert(Owned(path, digests.get(path), name, version or "") for path in listed)
        self._db.execute("INSERT OR REPLACE INTO packages VALUES (?,?,?)", (name, version, stamp))

    def _insert(self, files: Iterable[Owned]) -> None:
        rows = (
            (path, owned.digest, owned.package, owned.version or None)
            for owned in files
            if self._trees.holds(path := self._real(owned.path))
        )
        self._db.executemany("INSERT OR REPLACE INTO owners VALUES (?,?,?,?)", rows)

    def _real(self, path: bytes) -> bytes:
        """Dpkg lists /bin/ls where /bin is a link to /usr/bin."""
        return b"/usr" + path if self._merged and path.startswith(_MERGED) else path

    def _forget(self, name: str) -> None:
        self._db.execute("DELETE FROM owners WHERE package=?", (name,))
        self._db.execute("DELETE FROM packages WHERE name=?", (name,))

    def _versions(self, names: set[str]) -> dict[str, Package]:
        """Return name, as info/ spells it, to what the status file says."""
        found: dict[str, Package] = {}
        if not names:
            return found
        with suppress(OSError), (self._dpkg / "status").open("rb") as file:
            for package in parse_status(file):
                for name in (package.name, f"{package.name}:{package.architecture}"):
                    if name in names:
                        found[name] = package
        return found

    def _ask_rpm(self, path: bytes) -> tuple[str, str | None, str | None] | None:
        """Index the package that owns path; note a path that none owns, until rpm's database changes."""
        command = [self._rpm or "rpm", "-qf", "--qf", _RPM_FORMAT, os.fsdecode(path)]
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


def is_installer(actor: Actor | None) -> bool:
    """Return whether actor's program is a package manager."""
    return actor is not None and actor.exe is not None and PurePath(actor.exe).name in _INSTALLERS


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
