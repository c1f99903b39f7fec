"""What a proof says: sessions, bytes, files, and whether anything is missing. Frozen records, no logic."""

from __future__ import annotations

from typing import Literal

import msgspec

from evidence.report import Status

Link = Literal["login", "shown", "claimed"]


class Stay(msgspec.Struct, frozen=True):
    """One session of the person, of origin: the place in the list of the session it came from.

    link: a login from outside these hosts, a hop that signed events show, or only the collector's claim.
    """

    agent: str
    host: str
    session: int
    account: str
    opened: int | None
    closed: int | None
    source: str | None
    fingerprint: str | None
    how: str
    link: Link
    origin: int | None
    commands: int
    because: tuple[str, ...]


class Became(msgspec.Struct, frozen=True):
    """A session went on as another account."""

    stay: int
    time: int
    target: str
    command: str | None
    uid: str


class Sent(msgspec.Struct, frozen=True):
    """Bytes between the person's session and one address. to_stay: it is one of the person's hops."""

    stay: int
    direction: Literal["out", "in"]
    remote: str
    port: int | None
    name: str | None
    programs: tuple[str, ...]
    connections: int
    bytes_out: int
    bytes_in: int
    first: int
    last: int
    to_stay: int | None
    events: tuple[str, ...]


class Looked(msgspec.Struct, frozen=True):
    """Sensitive files that a session read."""

    stay: int
    tree: str
    path: str
    program: str | None
    files: int
    bytes: int | None
    time: int
    uid: str


class Coverage(msgspec.Struct, frozen=True):
    """Whether all that a host signed in the interval is here: statements, events, and what is not."""

    agent: str
    host: str
    statements: int
    events: int
    anchored: bool
    losses: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every statement is here with its data and its host signed no loss."""
        return not self.losses and not self.missing


class Other(msgspec.Struct, frozen=True):
    """A login in the bundle with the person's key or from the person's session that the claim leaves out."""

    agent: str
    host: str
    account: str
    time: int
    why: str
    uid: str


class Proof(msgspec.Struct, frozen=True):
    """All of it. status and problems are the audit's; without a sound audit the rest is only what it says."""

    status: Status
    bundle: str
    incident: str | None
    title: str
    person: str
    begin: int
    end: int
    problems: tuple[str, ...]
    stays: tuple[Stay, ...]
    became: tuple[Became, ...]
    sent: tuple[Sent, ...]
    looked: tuple[Looked, ...]
    coverage: tuple[Coverage, ...]
    others: tuple[Other, ...]

    @property
    def bytes_out(self) -> int:
        """Bytes that left towards addresses that are none of the person's own hops."""
        return sum(one.bytes_out for one in self.sent if one.to_stay is None)
