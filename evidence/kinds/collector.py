"""What people do at the collector: watchers are watched."""

from __future__ import annotations

from ..kind import Body, Endpoint


class Act(Body, frozen=True, kw_only=True, tag="collector.act"):
    """user did verb to object, or was refused; detail holds the exact query or the change as text."""

    lane = "priority"

    user: str
    verb: str
    object: str | None = None
    detail: dict[str, str] | None = None
    reason: str | None = None
    allowed: bool = True
    source: Endpoint | None = None


KINDS = (Act,)
