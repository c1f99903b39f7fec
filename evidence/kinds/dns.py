"""DNS questions and their answers."""

from __future__ import annotations

from ..kind import Actor, Body, Endpoint


class Query(Body, frozen=True, kw_only=True, tag="dns.query"):
    """A process asked for a name; rcode and answers are None until the answer was seen."""

    name: str
    type: str
    server: Endpoint | None = None
    rcode: int | None = None
    answers: tuple[str, ...] | None = None
    actor: Actor | None = None


KINDS = (Query,)
