"""The audit sessions of all hosts: whose they are, through what led to them, and what was told of them. Pure.

A session's person follows from its own login and from its link to what led to it: the session it was reached
from (hop), the one that had it run (job), or the one whose login identity was rewritten (former). When that
becomes known late, or turns out to be another's, all that followed from it is named anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from ..bounded import remember
from ..organisation.known import Known
from ..record import NOT_INTERACTIVE, Hop, How, Origin, Person, SessionRevision, key_of
from .jobs import WEAK

SESSIONS_LIMIT = 100_000
DEPTH_LIMIT = 16
"""Sessions of a chain."""
REVISED_EVERY = 10_000_000_000
"""Nanoseconds of ledger time within which small changes of a session's bytes are told."""
_CHILDREN_LIMIT = 1024
_FLOWS, _EARLY = 50_000, 50_000
_A_TENTH, _AT_LEAST = 10, 1 << 16
_REPORTED_BYTES, _REPORTED_AGE = 1_000_000, 59_000_000_000
"""From here on a connection may have been reported before its end."""


class Link(msgspec.Struct, frozen=True):
    """What led to a session: another one by its key, or a person who has none; because are uids that show it.

    how is no surer than the weakest part. start is the place of a hop that began without a session.
    """

    kind: Literal["hop", "job", "former"]
    how: How
    via: str | None
    person: Person
    because: tuple[str, ...] = ()
    start: Hop | None = None


class Session(msgspec.Struct, gc=False):
    """One audit session: account, service, source and key of its own login, its link, and its person.

    evidence are the events of its own login. children are the keys of the sessions linked to it.
    """

    agent: str
    boot: str
    number: int
    host: str
    user: str
    person: Person
    program: str | None = None
    opened: int | None = None
    closed: int | None = None
    skew: int = 0
    source: str | None = None
    fingerprint: str | None = None
    evidence: tuple[str, ...] = ()
    link: Link | None = None
    children: tuple[str, ...] = ()
    bytes_out: int = 0
    bytes_in: int = 0
    told: int = 0
    revised: int = 0


class State(msgspec.Struct):
    """Sessions by key; those to be told of; bytes by flow as reported, and of sessions not known yet."""

    sessions: dict[str, Session] = {}
    urgent: dict[str, None] = {}
    due: dict[str, int] = {}
    flows: dict[str, tuple[int, int]] = {}
    early: dict[str, list[int]] = {}


def account(known: Known, user: str, fingerprint: str | None, source: str | None) -> str:
    """Return what to call who logged in: the key's owner, the account's, or the account itself.

    A service account is nobody's own: whoever comes from another address is called another.
    """
    by_key = known.person(fingerprint) if fingerprint else None
    if by_key is not None:
        return by_key
    if known.is_service_account(user):
        return f"{user} from {source}" if source else user
    return known.person(user) or user


class Sessions:
    """Names sessions and what follows from them; `named` has the keys that got another person."""

    def __init__(self, state: State, known: Known) -> None:
        self.state = state
        self.known = known
        self.named: list[str] = []

    def get(self, name: str) -> Session | None:
        """Return a session by its key."""
        return self.state.sessions.get(name)

    def add(self, session: Session) -> str:
        """Take a session in, with the bytes that came before it, and return its key."""
        name = key_of(session.agent, session.boot, session.number)
        out, into = self.state.early.pop(name, (0, 0))
        session.bytes_out, session.bytes_in = session.bytes_out + out, session.bytes_in + into
        remember(self.state.sessions, name, session, SESSIONS_LIMIT)
        self.tell(name)
        return name

    def make(self, origin: Origin, number: int, user: str) -> Session:
        """Return a session of which nothing else is known yet, taken in."""
        person = Person(account(self.known, user, None, None), "kernel", number)
        session = Session(origin.agent, origin.boot, number, origin.host, user, person, skew=origin.skew)
        self.add(session)
        return session

    def tell(self, name: str) -> None:
        """Have a new revision of a session told."""
        self.state.urgent[name] = None

    def link(self, name: str, link: Link | None) -> None:
        """Let a session follow from what led to it, or from nothing any more."""
        session = self.state.sessions[name]
        if session.link == link:
            return
        former = session.link.via if session.link is not None else None
        session.link = link
        if former is not None and former in self.state.sessions:
            siblings = self.state.sessions[former].children
            self.state.sessions[former].children = tuple(one for one in siblings if one != name)
        if link is not None and link.via in self.state.sessions:
            parent = self.state.sessions[link.via]
            others = tuple(one for one in parent.children if one != name)
            parent.children = (*others, name)[-_CHILDREN_LIMIT:]
        self.rename(name)

    def rename(self, name: str) -> None:
        """Name a session and all that follow from it anew."""
        waiting, seen = [name], set[str]()
        while waiting:
            at = waiting.pop()
            session = self.state.sessions.get(at)
            if session is None or at in seen:
                continue
            seen.add(at)
            person = self.person_of(session)
            if person != session.person:
                session.person = person
                self.tell(at)
                self.named.append(at)
                waiting += session.children

    def person_of(self, session: Session) -> Person:
        """Return who is behind a session, by its link where it has one that holds, else by its own login."""
        own = Person(
            account(self.known, session.user, session.fingerprint, session.source),
            "kernel",
            session.number,
            session.source,
            session.fingerprint,
            scheduler=session.program if session.program in NOT_INTERACTIVE else None,
        )
        return own if session.link is None else self.linked(own, session.link, session)

    def linked(self, own: Person, link: Link, session: Session | None = None) -> Person:
        """Return the person a login has by a link; own is who it would be without.

        A chain that comes back to the same session holds nothing. What is only inferred does not overrule a
        key whose owner the operator named.
        """
        parent = self.state.sessions.get(link.via) if link.via is not None else None
        base = link.person if parent is None else parent.person
        if link.kind == "former":
            return base
        how: How = "inferred" if base.how in WEAK or link.how in WEAK else link.how
        chain = base.chain
        if link.kind == "hop":
            if how == "inferred" and own.fingerprint and self.known.person(own.fingerprint):
                return own
            chain = (*chain[: DEPTH_LIMIT - 1], _hop(parent, base, link))
        if session is not None and (session.agent, session.boot, session.number) in _places(chain):
            return own
        own_key = own.fingerprint if link.kind == "hop" and own.fingerprint != base.fingerprint else None
        because = tuple(dict.fromkeys((*base.because, *link.because)))
        scheduler = base.scheduler if link.kind == "hop" and base.is_scheduled else None
        return Person(
            base.name, how, own.session, base.source, base.fingerprint, because, chain, scheduler, own_key
        )

    def count(self, name: str, flow: str | None, out: int, into: int, now: int) -> Session | None:
        """Add to a session's bytes what a connection carried, and return the session if it is known.

        flow names a connection of which other events may come, or have come: it counts by the most that was
        told of it. now is the ledger's time (UTC ns).
        """
        state = self.state
        if flow is not None:
            former = state.flows.get(flow)
            if former is None:
                remember(state.flows, flow, (out, into), _FLOWS)
            else:
                state.flows[flow] = most = (max(out, former[0]), max(into, former[1]))
                out, into = most[0] - former[0], most[1] - former[1]
        session = state.sessions.get(name)
        if session is None:
            early = state.early.get(name)
            if early is None:
                remember(state.early, name, [out, into], _EARLY)
            else:
                early[0] += out
                early[1] += into
            return None
        session.bytes_out += out
        session.bytes_in += into
        grown = session.bytes_out + session.bytes_in - session.told
        if grown > _AT_LEAST and grown * _A_TENTH > session.told:
            state.urgent[name] = None
        elif name not in state.due:
            state.due[name] = now + REVISED_EVERY
        return session

    def revisions(self, now: int) -> list[SessionRevision]:
        """Return the sessions that are to be told, as they are; now is the ledger's time (UTC ns)."""
        names = dict.fromkeys(self.state.urgent)
        for name, due in self.state.due.items():
            if due > now:
                break
            names[name] = None
        self.state.urgent.clear()
        for name in names:
            self.state.due.pop(name, None)
        return [self._revision(self.state.sessions[name], now) for name in self._still(names)]

    def _still(self, names: dict[str, None]) -> Iterator[str]:
        return (name for name in names if name in self.state.sessions)

    @staticmethod
    def _revision(session: Session, now: int) -> SessionRevision:
        session.revised = max(now, session.revised + 1)
        session.told = session.bytes_out + session.bytes_in
        return SessionRevision(
            agent=session.agent,
            boot=session.boot,
            session=session.number,
            host=session.host,
            user=session.user,
            person=session.person,
            source=session.source,
            fingerprint=session.fingerprint,
            opened=session.opened,
            closed=session.closed,
            skew=session.skew,
            bytes_out=session.bytes_out,
            bytes_in=session.bytes_in,
            evidence=tuple(dict.fromkeys((*session.person.because, *session.evidence))),
            revised=session.revised,
        )


def may_be_reported(out: int, into: int, duration: int | None) -> bool:
    """Return whether a connection that ended is one of which reports may have told."""
    return out + into >= _REPORTED_BYTES or duration is None or duration >= _REPORTED_AGE


def _hop(parent: Session | None, base: Person, link: Link) -> Hop:
    if parent is not None:
        return Hop(parent.agent, parent.host, parent.boot, parent.number, parent.user, base.how, link.because)
    place = link.start or Hop("", "", "", None, base.name, base.how)
    return msgspec.structs.replace(place, because=link.because)


def _places(chain: tuple[Hop, ...]) -> set[tuple[str, str, int | None]]:
    return {(hop.agent, hop.boot, hop.session) for hop in chain}
