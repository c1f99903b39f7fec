"""Paths that something happened to, until they are looked at: a moment, or a package transaction.

A package manager writes files before the database that says what they are. So a path that one wrote waits
while a transaction runs, and is looked at once, when both are there. The wait is bounded in time and number,
and ends at once when anything else writes the path.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from evidence.kind import Actor

SETTLE = 100_000_000
"""Nanoseconds from the first word of a path until it is looked at: most files are written in less."""

SETTLE_INSTALLED = 3_000_000_000
"""The same for a path that a package manager wrote: its lock may be out of our sight."""

WAIT = 60_000_000_000
"""Nanoseconds for which a path waits for the end of a transaction, at most."""

WAITING = 10_000
"""Paths that wait for it, at most; beyond, they are looked at as they settle."""

PENDING = 50_000
"""Paths that are pending, at most."""

_LOOK = 1_000_000_000
"""Nanoseconds from one look at the package manager's lock to the next."""

_INSTALLERS = frozenset(
    (
        *("dpkg", "apt", "apt-get", "aptitude", "unattended-upgrade"),
        *("rpm", "dnf", "dnf-3", "yum", "microdnf", "zypper"),
    )
)


class Noted(msgspec.Struct, gc=False):
    """Something happened to path at mono, by actor as far as known; the rest is as in the file kinds.

    installed: a package manager wrote it, whoever wrote it since.
    """

    path: bytes
    mono: int
    actor: Actor | None = None
    appeared: bool = False
    late: bool = False
    container_path: str | None = None
    former: bytes | None = None
    latter: bytes | None = None
    installed: bool = False
    due: int = 0


class PendingPaths:
    """What is pending. runs tells whether a package transaction runs, named who an actor was."""

    def __init__(
        self,
        runs: Callable[[], bool],
        named: Callable[[Noted], Actor | None],
        waiting: int = WAITING,
        pending: int = PENDING,
    ) -> None:
        """Let at most so many paths be waiting for a transaction, and be pending in all."""
        self._most_waiting, self._most = waiting, pending
        self._runs = runs
        self._named = named
        self._settling: dict[bytes, Noted] = {}
        self._waiting: dict[bytes, Noted] = {}
        self._running = False
        self._due = 0
        self._looked_at = self._ended_at = -_LOOK

    def add(self, noted: Noted) -> bool:
        """Remember what happened, merged with what is pending of its path; False when there is no room."""
        by_installer = is_installer(noted.actor)
        noted.installed |= by_installer
        pending = self._waiting.get(noted.path)
        if pending is not None and not by_installer:
            del self._waiting[noted.path]
            self._settling[noted.path] = pending
            pending.due = noted.mono + SETTLE
        pending = pending or self._settling.get(noted.path)
        if pending is None:
            if len(self._settling) + len(self._waiting) >= self._most:
                return False
            pending = self._settling[noted.path] = noted
        else:
            _merge(pending, noted)
        pending.due = max(pending.due, self._one(pending.mono + _settle(pending.actor)))
        return True

    def _one(self, due: int) -> int:
        """Return a time as the object that was returned last, if equal: ten thousands may be pending."""
        if due != self._due:
            self._due = due
        return self._due

    def due(self, mono: int) -> list[Noted]:
        """Remove and return what is to be looked at now, its actors named as well as can be by now."""
        settled = [one for one in self._settling.values() if mono >= one.due]
        names: dict[tuple[Actor | None, int], Actor | None] = {}
        for one in settled:
            del self._settling[one.path]
            who = one.actor, one.mono
            if who not in names:
                names[who] = self._named(one)
            one.actor = names[who]
        if settled and not self._settling:
            self._settling = {}  # a table does not shrink
        ready: list[Noted] = []
        for one in settled:
            if is_installer(one.actor):
                one.installed = True
                room = len(self._waiting) < self._most_waiting
                if room and mono < one.mono + WAIT and self.transaction(mono):
                    self._waiting[one.path] = one
                    continue
            ready.append(one)
        if self._waiting:
            running = self.transaction(mono)
            ended = [one for one in self._waiting.values() if not running or mono >= one.mono + WAIT]
            for one in ended:
                del self._waiting[one.path]
            ready += ended
        return ready

    def transaction(self, mono: int) -> bool:
        """Return whether a package transaction runs, or just ended: its last changes may still come in."""
        if mono - self._looked_at >= _LOOK:
            ran, self._running = self._running, self._runs()
            self._looked_at = mono
            if ran and not self._running:
                self._ended_at = mono
        return self._running or mono < self._ended_at + _LOOK

    @property
    def installing(self) -> bool:
        """Whether something is pending that a package manager wrote."""
        return bool(self._waiting) or any(one.installed for one in self._settling.values())

    def pause(self) -> float | None:
        """Return the seconds until something may be due; None when nothing is pending."""
        if self._settling:
            return SETTLE / 1e9
        return _LOOK / 1e9 if self._waiting else None

    def clear(self) -> None:
        """Forget everything."""
        self._settling.clear()
        self._waiting.clear()


def is_installer(actor: Actor | None) -> bool:
    """Return whether actor's program is a package manager."""
    return actor is not None and actor.exe is not None and actor.exe.rpartition("/")[2] in _INSTALLERS


def _merge(pending: Noted, noted: Noted) -> None:
    pending.actor, pending.late = noted.actor or pending.actor, noted.late
    pending.container_path = noted.container_path or pending.container_path
    pending.appeared |= noted.appeared
    pending.former = noted.former or pending.former
    pending.latter = noted.latter
    pending.installed |= noted.installed


def _settle(actor: Actor | None) -> int:
    return SETTLE_INSTALLED if is_installer(actor) else SETTLE
