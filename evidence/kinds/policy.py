"""What a host says of the fleet's policy: which it took, and which it refused and why."""

from __future__ import annotations

from typing import Literal

from ..kind import Body

Cause = Literal["taken", "ended", "kept out", "put back"]
Ground = Literal[
    "no key is pinned",
    "not accepted here",
    "too large",
    "not canonical",
    "another key",
    "bad signature",
    "bad document",
    "older",
    "contradicts",
    "expired",
    "not for this host",
    "unusable here",
    "cannot be kept",
    "record is gone",
    "record is older",
]


class Applied(Body, frozen=True, kw_only=True, tag="policy.applied"):
    """What holds of the policy changed. digest is the SHA-256 of its payload, before that of the former.

    cause: it was taken; it came to its end, so that its filters end; the host's own settings keep it out;
    it was put back in force after that. changed names the settings that differ now. key is the id of the
    key that signed it, next_key that of the one that signs what follows. until is UTC ns.
    """

    lane = "priority"

    name: str
    version: int
    digest: str
    cause: Cause
    key: str
    until: int
    changed: tuple[str, ...] = ()
    before: str | None = None
    next_key: str | None = None
    note: str | None = None


class Refused(Body, frozen=True, kw_only=True, tag="policy.refused"):
    """A policy was handed over and not taken; what held before still holds.

    name and version stand where the pinned key signed them; digest is that of the payload, or of all that was
    handed over where no payload could be read. more counts refusals that were not told since the last.
    """

    lane = "priority"

    ground: Ground
    message: str
    digest: str | None = None
    name: str | None = None
    version: int | None = None
    key: str | None = None
    more: int = 0


KINDS = (Applied, Refused)
