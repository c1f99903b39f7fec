"""One event for all that a package transaction did to files of a package (R28): see `sift` for which.

What a package manager wrote, and is now exactly what the package's database says, is counted; everything
else is told by itself: files of no package, those that differ or that something else wrote since, and those
whose mode, owner or kind can give power whatever is in them. What is gathered is not committed to the
baseline before it is told, so that a kill costs none of it: the scan then tells each file. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from evidence.kind import Actor
from evidence.kinds.file import Change, Create, Delete, FileState, Package

from ..sensor import Moment, Observed
from .pending_paths import is_installer

PACKAGES = 1000
"""Packages that are gathered at once; with more, all are told early."""

LONGEST = 30_000_000_000
"""Nanoseconds for which a package is gathered, at most."""

_POWERS = 0o7002
"""Set-user-id, set-group-id, sticky, and writable by everybody."""

_LABELS = frozenset(("security.selinux",))
"""Extended attributes that every file of some hosts has."""

_Told = Create | Change | Delete

Versions = Callable[[str], tuple[str | None, str | None]]
"""The version of a package before and after the transaction, None where it was or is not installed."""


class _Gathered(msgspec.Struct):
    first: int
    last: int
    since: int
    actor: Actor | None
    created: int = 0
    changed: int = 0
    deleted: int = 0
    bytes: int = 0


class PackageSummaries:
    """What is gathered; covers tells of a path whether another sensor says what is in it."""

    def __init__(self, covers: Callable[[str], bool], packages: int = PACKAGES) -> None:
        self._covers = covers
        self._packages = packages
        self._open: dict[str, _Gathered] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def sift(self, events: Iterable[Observed], now: Moment) -> list[Observed]:
        """Gather what a package explains in full; return what is to be told by itself."""
        single: list[Observed] = []
        for one in events:
            body = one.body
            package = _explained(body) if isinstance(body, _Told) else None
            if package is None or not isinstance(body, _Told) or self._covers(body.path):
                single.append(one)
            else:
                self._gather(package, body, now.mono if one.mono is None else one.mono, now)
        return single

    def due(self, now: Moment, versions: Versions, *, over: bool) -> list[Observed]:
        """Return the summaries that are due: all when the transaction is over, else those gathered long."""
        full = len(self._open) > self._packages
        due = [
            name
            for name, gathered in self._open.items()
            if over or full or now.mono >= gathered.since + LONGEST
        ]
        return [_summary(name, self._open.pop(name), versions(name), now) for name in due]

    def clear(self) -> None:
        """Forget what is gathered."""
        self._open.clear()

    def _gather(self, package: str, body: _Told, mono: int, now: Moment) -> None:
        gathered = self._open.get(package)
        if gathered is None:
            gathered = self._open[package] = _Gathered(mono, mono, now.mono, body.actor)
        gathered.first, gathered.last = min(gathered.first, mono), max(gathered.last, mono)
        gathered.created += isinstance(body, Create)
        gathered.changed += isinstance(body, Change)
        gathered.deleted += isinstance(body, Delete)
        if not isinstance(body, Delete) and body.after is not None:
            gathered.bytes += body.after.size or 0


def _explained(body: _Told) -> str | None:
    """Return the package that explains all of a change, None where it has to be told by itself."""
    explained = body.explained_by
    if explained is None or not explained.transaction or body.found != "live" or body.escaped:
        return None
    if not is_installer(body.actor) or (isinstance(body, Create) and body.moved_from is not None):
        return None
    before = None if isinstance(body, Create) else body.before
    after = None if isinstance(body, Delete) else body.after
    is_folder = after is not None and after.type == "dir"  # it has no digest; the package lists it
    if not (explained.matches or is_folder) or not all(map(_is_plain, (before, after))):
        return None
    return explained.package


def _is_plain(state: FileState | None) -> bool:
    """Return whether a file's mode, owner and kind give nobody anything."""
    if state is None:
        return True
    return (
        state.type in ("file", "dir")
        and state.uid == 0
        and not (state.mode or 0) & _POWERS
        and state.capabilities is None
        and not (state.xattrs or {}).keys() - _LABELS
    )


def _summary(
    name: str, gathered: _Gathered, versions: tuple[str | None, str | None], now: Moment
) -> Observed:
    apart = now.time - now.mono
    body = Package(
        package=name,
        former_version=versions[0],
        version=versions[1],
        created=gathered.created,
        changed=gathered.changed,
        deleted=gathered.deleted,
        bytes=gathered.bytes,
        first=gathered.first + apart,
        last=gathered.last + apart,
        actor=gathered.actor,
    )
    return Observed(body, mono=gathered.last)
