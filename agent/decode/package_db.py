"""Files of the dpkg database, output of rpm, and /proc/locks: which package owns which path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

_MD5 = re.compile(rb"[0-9a-f]{32}")
_LOCK = re.compile(r"\d+: \S+ +\S+ +WRITE +\d+ +([0-9a-f]+):([0-9a-f]+):(\d+) ")
_RPM_FIELDS = 4
_ABSENT = (b"config-files", b"not-installed", b"half-installed")
"""Ends of a Status that say that a package's files are not, or not all, there (dpkg(1))."""


class Package(msgspec.Struct, frozen=True):
    """A package that dpkg knows; conffiles are the MD5s of its configuration files as it shipped them.

    installed: its files are there; of one that was removed but not purged only configuration files are.
    """

    name: str
    architecture: str
    version: str
    conffiles: dict[bytes, str]
    installed: bool = True


class Owned(msgspec.Struct, frozen=True):
    """One file of a package, with the digest (MD5 or SHA-256, by its length) the package gives it."""

    path: bytes
    digest: str | None
    package: str
    version: str


def parse_status(lines: Iterable[bytes]) -> Iterator[Package]:
    """Yield the packages of /var/lib/dpkg/status (deb822, dpkg(1)) that have a version."""
    fields: dict[bytes, bytes] = {}
    last = b""
    for line in (*lines, b""):
        text = line.rstrip(b"\r\n")
        if not text.strip():
            if b"package" in fields and b"version" in fields:
                yield _package(fields)
            fields, last = {}, b""
        elif text[:1] in (b" ", b"\t"):
            if last == b"conffiles":
                fields[last] += b"\n" + text.strip()
        else:
            key, _, value = text.partition(b":")
            last = key.lower()
            fields[last] = value.strip()


def _package(fields: dict[bytes, bytes]) -> Package:
    conffiles = {}
    for line in fields.get(b"conffiles", b"").splitlines():
        path, _, rest = line.partition(b" ")
        digest = rest.split(b" ", 1)[0]
        if path.startswith(b"/") and _MD5.fullmatch(digest):
            conffiles[path] = digest.decode()
    return Package(
        _text(fields[b"package"]),
        _text(fields.get(b"architecture", b"")),
        _text(fields[b"version"]),
        conffiles,
        installed=not fields.get(b"status", b"").endswith(_ABSENT),
    )


def parse_md5sums(lines: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    """Yield (absolute path, MD5) of an info/*.md5sums file."""
    for line in lines:
        digest, _, path = line.rstrip(b"\n").partition(b"  ")
        if path and _MD5.fullmatch(digest):
            yield b"/" + path.lstrip(b"/"), digest.decode()


def parse_list(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the absolute paths of an info/*.list file."""
    paths = (line.rstrip(b"\n") for line in lines)
    return (path for path in paths if path.startswith(b"/") and path != b"/.")


def parse_rpm(raw: bytes) -> Iterator[Owned]:
    """Yield files from lines of name, version-release, digest and path, separated by tabs."""
    for line in raw.split(b"\n"):
        fields = line.split(b"\t", _RPM_FIELDS - 1)
        if len(fields) == _RPM_FIELDS and fields[3].startswith(b"/"):
            yield Owned(fields[3], _text(fields[2]) or None, _text(fields[0]), _text(fields[1]))


def locked_inodes(raw: str) -> set[tuple[int, int, int]]:
    """Return (major, minor, inode) of the files that are write-locked, from /proc/locks (proc(5))."""
    found = (_LOCK.match(line) for line in raw.splitlines())
    return {(int(lock[1], 16), int(lock[2], 16), int(lock[3])) for lock in found if lock}


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
