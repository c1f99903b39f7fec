"""The host as one event: built from what the sources say, told at start, on change, and again after a day.

Pure: what is read of the host comes as arguments. Changes are told at most every five minutes, for the event
is large and each change is an event of its own already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from evidence.enrolment import Facts
from evidence.kind import Body
from evidence.kinds.state import Host, Interface, Packages, User

from ..decode.passwd import Account
from ..state_diff import Snapshot

SPACING = 300_000_000_000
LISTED = 250
"""Users, and listeners, in an inventory."""

PART = 500
"""Packages in one part of their inventory."""

_TEXT = 120
_UNKNOWN = "unknown"


class Known(msgspec.Struct, frozen=True):
    """What is known of the host: its facts, and what the sources said, by source."""

    facts: Facts
    interfaces: tuple[Interface, ...]
    accounts: tuple[Account, ...]
    snapshots: dict[str, Snapshot]
    rungs: dict[str, str | None]


class HostInventory:
    """Remembers what was told, and when (monotonic ns); again is the period in seconds."""

    def __init__(self, again: float) -> None:
        self.again(again)
        self._host: Host | None = None
        self._packages: dict[str, str] = {}
        self._told_at = 0

    def again(self, seconds: float) -> None:
        """Tell all of it again after so many seconds."""
        self._again = int(seconds * 1e9)

    def tell(self, known: Known, now: int) -> list[Body]:
        """Return what there is to tell at now."""
        repeat = self._host is None or now - self._told_at >= self._again
        if not repeat and now - self._told_at < SPACING:
            return []
        host = _host(known)
        told: list[Body] = []
        if repeat or host != self._host:
            self._host, self._told_at = host, now
            told.append(host)
        for manager, versions in _packages(known):
            digest = _digest(versions)
            if repeat or self._packages.get(manager) != digest:
                self._packages[manager] = digest
                told += _parts(manager, versions, digest)
        return told


def _host(known: Known) -> Host:
    facts = known.facts
    packages = [versions for _, versions in _packages(known)]
    return Host(
        host=facts.host,
        os=facts.os,
        kernel=facts.kernel,
        boot=_unless_unknown(facts.boot_id),
        machine_id=_unless_unknown(facts.machine_id),
        instance_id=facts.instance_id,
        interfaces=known.interfaces,
        users=tuple(
            User(name=one.name[:_TEXT], uid=one.uid, shell=one.shell[:_TEXT])
            for one in known.accounts[:LISTED]
        ),
        listeners=tuple(
            " ".join((name, *programs))[:_TEXT]
            for name, programs in sorted(known.snapshots.get("listeners", {}).items())[:LISTED]
        ),
        modules=_modules(known),
        packages=sum(map(len, packages)) if packages else None,
        packages_sha256=_digest(packages[0]) if packages else None,
        rungs=known.rungs,
    )


def _modules(known: Known) -> int | None:
    loaded = known.snapshots.get("modules")
    return None if loaded is None else sum(map(len, loaded.values()))


def _packages(known: Known) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield package manager and versions by name, where there are any."""
    for source in ("packages", "rpm"):
        for manager, versions in known.snapshots.get(source, {}).items():
            if versions:
                yield manager, versions


def _parts(manager: str, versions: dict[str, str], digest: str) -> Iterator[Packages]:
    names = sorted(versions)
    pieces = [names[at : at + PART] for at in range(0, len(names), PART)]
    for number, piece in enumerate(pieces, start=1):
        yield Packages(
            manager=manager,
            count=len(names),
            packages_sha256=digest,
            packages={name[:_TEXT]: versions[name][:_TEXT] for name in piece},
            part=number,
            parts=len(pieces),
        )


def _digest(versions: dict[str, str]) -> str:
    """Return the SHA-256 of lines ``name version``, sorted by name."""
    lines = "".join(f"{name} {versions[name]}\n" for name in sorted(versions))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def _unless_unknown(text: str) -> str | None:
    return None if text == _UNKNOWN else text
