"""An event as the pipeline carries it: with where it came from and who is behind it."""

from __future__ import annotations

import functools
from typing import Any, Literal

import msgspec

from evidence.event import Event
from evidence.kind import Body, Lane

How = Literal["kernel", "hop", "key", "job", "inferred", "uid"]

_SHARED = 1024
"""Names that are made once for all rules that are shown an event: together they keep one string."""

NOT_INTERACTIVE = frozenset({"cron", "crond", "CRON", "atd", "systemd", "systemd-user"})
"""Services that open a session with nobody at it."""


class Hop(msgspec.Struct, frozen=True, gc=False):
    """An earlier session of a person's chain: where, as which account, how it is known to be theirs, and why.

    because are the uids of the events that join it to the session after it.
    """

    agent: str
    host: str
    boot: str
    session: int | None
    user: str
    how: How
    because: tuple[str, ...] = ()


class Person(msgspec.Struct, frozen=True, gc=False):
    """Who is behind an event, and how that is known.

    how: kernel (audit session set by PAM), hop, key, job, inferred as in the rules of attribution; uid where
    the host has no login identity and only the user id is known. session is the audit session, source the
    address the login came from, fingerprint its key's. because are the uids of the events that show a link
    that is a job's, a hop's or inferred. chain are the sessions on other hosts that led here, the first one
    first; source and fingerprint are then those of the first. scheduler is the service that opened the
    session where nobody logs in by it, as cron. key is the fingerprint that the session itself accepted,
    where that is another than the first's.
    """

    name: str
    how: How
    session: int | None = None
    source: str | None = None
    fingerprint: str | None = None
    because: tuple[str, ...] = ()
    chain: tuple[Hop, ...] = ()
    scheduler: str | None = None
    key: str | None = None

    @property
    def is_scheduled(self) -> bool:
        """Whether no person is at work: a timer's session, which no person's own session caused."""
        return self.scheduler is not None and self.how != "job"


class SessionRevision(msgspec.Struct, frozen=True):
    """What is known of an audit session as of revised (UTC ns, later than that of any former revision).

    source and fingerprint are of the session's own login, those of person may be of the first of its chain.
    opened and closed are by the host's clock, which was ahead of the collector's by skew. bytes are of the
    session's connections, whoever opened them. evidence are uids of the events that show whose it is.
    """

    agent: str
    boot: str
    session: int
    host: str
    user: str
    person: Person
    source: str | None
    fingerprint: str | None
    opened: int | None
    closed: int | None
    skew: int
    bytes_out: int
    bytes_in: int
    evidence: tuple[str, ...]
    revised: int


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One entry of a statement as it stands in the ledger, for what looks at chains rather than events.

    equivocation: a second statement with the place of an accepted one. received and sent are UTC ns.
    """

    agent: str
    epoch: int
    lane: Lane
    seq: int
    digest: str
    prev: str
    index: int
    received: int
    sent: int
    equivocation: bool = False


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a batch's events came from: agent, key epoch and boot id of its statement, and its entry's index.

    received is the collector's clock (UTC ns), host a label only. skew is by how many ns the host's clock is
    ahead of the collector's, as estimated when the batch came in.
    """

    agent: str
    epoch: int
    boot: str
    host: str
    index: int
    received: int
    skew: int = 0

    def key(self, number: int) -> str:
        """Return what a session, or a process, of the host's boot is remembered by."""
        return key_of(self.agent, self.boot, number)

    def uid(self, event: Event[Any]) -> str:
        """Return the stable name of an event from here, ``agent:epoch:seq``."""
        return uid_of(self.agent, self.epoch, event.seq)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event with its origin, whose fields are here again, and with its person."""

    agent: str
    epoch: int
    boot: str
    host: str
    index: int
    received: int
    event: Event[Body]
    person: Person | None = None
    skew: int = 0

    @property
    def at(self) -> int:
        """When it happened by the collector's clock, UTC ns: to compare events of several hosts."""
        return self.event.time - self.skew

    @property
    def uid(self) -> str:
        """The event's stable name, ``agent:epoch:seq``."""
        return uid_of(self.agent, self.epoch, self.event.seq)


@functools.lru_cache(_SHARED)
def key_of(agent: str, boot: str, number: int) -> str:
    """Return what a session, or a process, of a boot is remembered by."""
    return f"{agent}|{boot}|{number}"


@functools.lru_cache(_SHARED)
def uid_of(agent: str, epoch: int, seq: int) -> str:
    """Return the stable name of an event."""
    return f"{agent}:{epoch}:{seq}"
