"""DNS questions and their answers."""

from __future__ import annotations

from typing import Literal

from ..kind import Actor, Body, Endpoint


class Query(Body, frozen=True, kw_only=True, tag="dns.query"):
    """A process asked for a name; rcode and what follows from an answer are None until one was seen.

    name is in lower case and the text form of RFC 1035, 5.1. answers are addresses and aliases, ttl the least
    of theirs in seconds, duration the nanoseconds until the answer came. count is the repeats that the event
    stands for, of the same question by the same process in the minute before, told with the last answer.
    """

    name: str
    type: str
    server: Endpoint | None = None
    protocol: Literal["udp", "tcp"] | None = None
    rcode: int | None = None
    answers: tuple[str, ...] | None = None
    ttl: int | None = None
    duration: int | None = None
    count: int = 1
    actor: Actor | None = None


KINDS = (Query,)
