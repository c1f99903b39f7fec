"""The contract of a source of the host's state: which files it reads, and what they say.

A module in `state_sources/` sets SOURCE. Its parser is pure and takes whatever stands in the files; the shell
(`state_tracker.py`) reads them, keeps what was said, and tells what differs later.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from evidence import found_modules

from . import state_sources
from .decode.passwd import Account
from .state_diff import Difference, Snapshot, differences

FILE_LIMIT = 256 << 10
"""Bytes of a file that are read unless a source says otherwise."""


class Place(msgspec.Struct, frozen=True):
    """Files of one folder whose name fits a pattern (fnmatch), if deep also of the folders right below."""

    folder: str
    pattern: str = "*"
    deep: bool = False


class Found(msgspec.Struct, frozen=True):
    """What was found at path: the content of a file, or the target of a link.

    For what is no file: path names the socket and content is its owner's program; path is ``rpm`` and
    content its list of packages. unread: there is something at path that could not be read.
    """

    path: str
    content: bytes = b""
    target: str | None = None
    unread: bool = False


class Homes(msgspec.Struct, frozen=True):
    """The accounts with a login shell, and where sshd looks for their keys (AuthorizedKeysFile)."""

    accounts: tuple[Account, ...] = ()
    key_files: tuple[str, ...] = ()


class Source(msgspec.Struct, frozen=True):
    """One source.

    places are below the configured root. parse never raises: what it cannot read it passes over.
    quiet is how many seconds nothing may happen before the files are read. secret: values are kept as keyed
    digests only. packaged: packages bring such files, so a running transaction is waited for, but no longer
    than patience seconds.
    every is the period in seconds of a source that no file event tells of; None: the sensor's own.
    links: a link is told by its target, else it is followed.
    """

    name: str
    places: Callable[[Homes], Iterable[Place]]
    parse: Callable[[Found], Snapshot]
    reads: Literal["files", "sockets", "rpm"] = "files"
    diff: Callable[[Snapshot, Snapshot], Iterable[Difference]] = differences
    quiet: float = 1.0
    secret: bool = False
    packaged: bool = False
    patience: float = 60.0
    every: float | None = None
    links: bool = False
    limit: int = FILE_LIMIT


def all_sources() -> tuple[Source, ...]:
    """Return the sources of the folder, by name.

    Raises:
        TypeError: a module's SOURCE is missing, is none, or has the name of another.
    """
    found: dict[str, Source] = {}
    for module in found_modules.names(state_sources.__path__):
        source = getattr(importlib.import_module(f"{state_sources.__name__}.{module}"), "SOURCE", None)
        if not isinstance(source, Source):
            raise TypeError(f"agent/state_sources/{module}.py: SOURCE is {source!r}, not a Source")
        if source.name in found:
            raise TypeError(f"agent/state_sources/{module}.py: a source {source.name} exists already")
        found[source.name] = source
    return tuple(found[name] for name in sorted(found))
