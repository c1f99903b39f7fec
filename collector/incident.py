"""What an incident is: one person's story, and what it is assembled from."""

from __future__ import annotations

import msgspec

from . import risk
from .alert import Severity
from .record import How, Person

SEVERITIES: tuple[Severity, ...] = ("informational", "low", "medium", "high", "critical")


class Session(msgspec.Struct, frozen=True):
    """A session as it is known by now; its person may have been learnt after its alerts were stored.

    source is the address its own login came from.
    """

    agent: str
    boot: str
    session: int
    host: str
    user: str | None = None
    person: Person | None = None
    source: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """A contributing event, as far as a story tells it; remote is the other end's address, name its name."""

    uid: str
    agent: str
    boot: str | None = None
    session: int | None = None
    kind: str = ""
    user: str | None = None
    path: str | None = None
    flow: int | None = None
    remote: str | None = None
    name: str | None = None
    bytes_out: int = 0
    bytes_in: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One line of the timeline: a finding. time is the host's own, UTC ns; alert the id of its revision.

    bytes_out are those that it tells, 0 where it tells none; shared: others used its destination before;
    by is the program that sent them, where the rule tells one. tactic is that of the rule's first technique,
    entity what it was found about.
    """

    time: int
    host: str
    severity: Severity
    rule: str
    title: str
    what: str
    evidence: tuple[str, ...]
    alert: str
    bytes_out: int = 0
    shared: bool = False
    by: str = ""
    tactic: str = ""
    entity: str = ""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session the person acted in: where, as whom, and how it is known to be theirs."""

    agent: str
    host: str
    boot: str | None = None
    session: int | None = None
    user: str | None = None
    how: How | None = None
    because: tuple[str, ...] = ()


class Moved(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes that went to a destination and came from it; a flow that two rules tell of counts once.

    via are the hosts of the person's own way that they went over. inside is the host of that way on which
    they stayed, as far as is known: those did not leave.
    """

    destination: str
    bytes_out: int
    bytes_in: int
    via: tuple[str, ...] = ()
    inside: str | None = None


class Surprise(msgspec.Struct, frozen=True):
    """How seldom a rule finds so many bytes or more: bits is -log2 of the part of days, in thousandths.

    own is on how many of days before this person had it; same how often the others had it who do the same
    work, others how often anybody else had it on those days, of so many people. shared: bits are half, for
    others used the destination before. by: only findings with that program were counted.
    tactic: of the rules of one tactic the most surprising adds to an incident's.
    """

    rule: str
    bits: int
    bytes: int
    own: int
    days: int
    same: int
    others: int
    people: int
    shared: bool = False
    by: str = ""
    tactic: str = ""


class Incident(msgspec.Struct, frozen=True):
    """One story. person is None where nobody is known; how are all ways they are known, the surest first.

    begin and end are UTC ns of the hosts' clocks; bytes are sums over what moved and left. evidence are uids
    of events. also are the ids by which it is found too: it had them, or would have by what is known now.
    surprise (thousandths of a bit) and unusual are set where incidents are ranked (`ranking.py`).
    """

    id: str
    severity: Severity
    summary: str
    person: str | None
    how: tuple[How, ...]
    source: str | None
    fingerprint: str | None
    begin: int
    end: int
    hosts: tuple[str, ...]
    accounts: tuple[str, ...]
    places: tuple[Place, ...]
    timeline: tuple[Entry, ...]
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    moved: tuple[Moved, ...]
    bytes_out: int
    bytes_in: int
    files: tuple[str, ...]
    evidence: tuple[str, ...]
    risk: tuple[risk.Point, ...]
    also: tuple[str, ...] = ()
    surprise: int = 0
    unusual: tuple[Surprise, ...] = ()


def rank(severity: Severity) -> int:
    """Return a severity as a number that grows with it."""
    return SEVERITIES.index(severity)
