"""What an audit of a bundle found."""

from __future__ import annotations

from typing import Literal

import msgspec

from .bundle import Subject
from .kind import Lane
from .statement import Loss

Status = Literal["verified", "consistent, not anchored", "incomplete", "broken"]


class Missing(msgspec.Struct, frozen=True):
    """Statements seq to last of a chain that are not as they should be: not there, or without their data."""

    agent: str
    epoch: int
    lane: Lane
    seq: int
    last: int
    why: str


class Chain(msgspec.Struct, frozen=True):
    """What the bundle holds of one chain: statements first to last, events, and losses its host signed.

    begin and end are times of events, UTC ns. dropped counts the statements whose data their host gave up,
    expired those whose data retention deleted; with_data are all others that are there in full.
    """

    agent: str
    epoch: int
    lane: Lane
    first: int
    last: int
    begin: int | None
    end: int | None
    events: int
    with_data: int
    dropped: int
    expired: int
    losses: tuple[Loss, ...]


class Restored(msgspec.Struct, frozen=True):
    """The log goes on from `former` with the first `kept` entries of it, since time (UTC ns); why, by whom.

    seen is the largest size of the former log that a host is known to have seen.
    """

    former: str
    kept: int
    seen: int
    time: int
    author: str
    reason: str


class Report(msgspec.Struct, frozen=True):
    """The outcome. subject is what the bundle claims to be about: hosts and interval.

    problems are contradictions, in words; anchored names the hosts whose receipts agree, unanchored those
    whose word nobody vouches for but the collector. Where the collector was restored from a backup, restored
    says so, and lost names the statements of the interval that hosts know to be gone with that.
    """

    status: Status
    name: str
    subject: Subject | None
    problems: tuple[str, ...]
    missing: tuple[Missing, ...]
    chains: tuple[Chain, ...]
    anchored: tuple[str, ...]
    unanchored: tuple[str, ...]
    statements: int
    restored: tuple[Restored, ...] = ()
    lost: tuple[Missing, ...] = ()
