"""From what a feed saw to a queued event: own processes out, enrich, choose a lane, stamp, queue or shed.

What the governor sheds still teaches the tables who is who: a process whose exec was shed has its identity,
parents, program and place there, and no command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from evidence.codec import LINE_LIMIT, encode_line
from evidence.event import Event
from evidence.kind import Actor, Body, Lane, kind_of
from evidence.kinds.process import Exec, Exit

from .enrich import Enricher, Enrichment, Surroundings
from .governing.interactive import InteractiveSessions
from .governing.shedding import SUGGESTION, Shedding
from .identity_watch import IdentityWatch
from .likeness import Likeness
from .own_processes import OwnProcesses
from .processes import Who
from .sealing.lanes import Lanes, Queued
from .sealing.losses import LossBook, Lost
from .sensor import Moment, Observed
from .timeline import Timeline


class Observer(Protocol):
    """A table of processes that learns from events."""

    added: int
    removed: int
    """Since start."""
    version: int
    """Changes when an ancestry that was told is no longer what it would be now."""

    def observe(self, body: Body, mono: int) -> None:
        """Take a body seen at mono (ns)."""
        ...

    def told(self, pid: int, start: int | None) -> Who | None:
        """Return what is known of the process (pid, start in ns since boot)."""
        ...

    def is_whole(self, pid: int | None, start: int | None) -> bool:
        """Return whether the ancestry told of the children of (pid, start) stays until `version` changes."""
        ...


class Hasher(Protocol):
    """Hashes executed files."""

    def hash(self, pid: int, exe: str | None, executed: int, *, on_host: bool) -> str | None:
        """Return the hex SHA-256 of what pid executed from exe at executed (UTC ns), None if unknown."""
        ...


class Tables(msgspec.Struct, frozen=True):
    """What is known of processes and sessions, and learns from each event."""

    processes: Observer
    own: OwnProcesses
    sessions: InteractiveSessions
    identities: IdentityWatch


class Intake:
    """The one way from feeds into the lanes. publish is shown every queued event."""

    def __init__(
        self,
        lanes: Lanes,
        losses: LossBook,
        tables: Tables,
        steps: tuple[Enrichment, ...],
        around: Surroundings,
        *,
        hasher: Hasher,
        last_seq: int,
        publish: Callable[[bytes], None],
        shedding: Shedding,
        remember: Callable[[Lane, int, bytes], None] = lambda *_: None,
    ) -> None:
        """Take the parts.

        remember is given lane, number and line of every queued event, publish its line. shedding tells which
        events are not worth their cost now.
        """
        self._lanes = lanes
        self._losses = losses
        self._tables = tables
        self._first = Enricher((step for step in steps if step.order < 0), around).enrich
        self._then = Enricher((step for step in steps if step.order >= 0), around).enrich
        self._hasher = hasher
        self._seq = last_seq
        self._publish = publish
        self.shedding = shedding
        self._remember = remember
        self.events = 0
        """Queued since start."""
        self.shed = 0
        """Shed since start."""

    def take(self, seen: Iterable[Observed], timeline: Timeline, now: Moment) -> None:
        """Queue what a feed saw."""
        tables, shedding = self._tables, self.shedding
        for one in seen:
            at = timeline.place(one, now)
            body = self._first(one.body)
            tables.processes.observe(body, at.mono)
            if tables.own.skip(body):
                continue
            if (cause := one.shed or shedding.sheds(body, at.mono)) is not None:
                tables.identities.observe(body, at.mono)
                self._shed(body, cause, at, SUGGESTION)
                continue
            body = self._then(body) if one.like is None else self._as_others(body, one.like, now.mono)
            tables.identities.observe(body, at.mono)
            if isinstance(body, Exec) and body.sha256 is None and "sha256" not in body.missing:
                body = self._hashed(body, at)
            self._queue(body, at, now)
        if tables.identities.waiting:
            for changed in tables.identities.due(now.mono):
                self.tell(changed, now)

    def rest(self, now: Moment) -> None:
        """Queue what waits for an explanation: nothing more will be seen."""
        for changed in self._tables.identities.rest():
            self.tell(changed, now)

    def tell(self, body: Body, now: Moment) -> None:
        """Queue an event of watch itself."""
        self._queue(self._then(self._first(body)), now, now)

    def _as_others(self, body: Body, like: Likeness, mono: int) -> Body:
        """Return body enriched: it was made from one that was, or the next ones will be made from it."""
        processes = self._tables.processes
        if like.holds(processes.version, mono) or not isinstance(body, Exec):
            return body
        done = self._then(like.anew(body))
        if isinstance(done, Exec) and processes.is_whole(body.ppid, body.parent_start):
            like.learn(done, processes.version, mono)
        return done

    def _hashed(self, body: Exec, at: Moment) -> Exec:
        """Return an exec with the hash of its file, or with the note that it could not be had."""
        found = self._hasher.hash(body.pid, body.exe, at.time, on_host=body.container is None)
        if found is None:
            return msgspec.structs.replace(body, missing=(*body.missing, "sha256"))
        return msgspec.structs.replace(body, sha256=found)

    def _queue(self, body: Body, at: Moment, now: Moment) -> None:
        seq = self._seq + 1
        line = encode_line(Event(seq, at.time, at.mono, body))
        lane = self._tables.sessions.lane(body, at.mono)
        if len(line) > LINE_LIMIT:
            self._shed(body, "event too large", at, None)
        elif not self._lanes.queue(lane).offer(Queued(line, seq, at.time, now.mono)):
            self._shed(body, f"{lane} queue full", at, "raise [batch] queue_events and queue_bytes")
        else:
            self._seq = seq
            self.events += 1
            self._remember(lane, seq, line)
            self._publish(line)

    def _shed(self, body: Body, cause: str, at: Moment, suggestion: str | None) -> None:
        self.shed += 1
        lost = Lost("watch", cause, 1, at.time, at.time, kind_of(body), self._producer(body), suggestion)
        self._losses.add(lost)

    def _producer(self, body: Body) -> str | None:
        """Return who is behind an event, for the list of top producers: program, user, and cgroup or unit."""
        who: Body | Actor | Who | None = body
        if isinstance(body, Exit):
            who = self._tables.processes.told(body.pid, body.start) or body
        elif not isinstance(body, Exec):
            who = getattr(body, "actor", None) or body
        program = getattr(who, "exe", None) or getattr(who, "program", None)
        uid = getattr(who, "uid", None)
        place = getattr(who, "cgroup", None) or getattr(who, "unit", None)
        user = None if uid is None else f"uid {uid}"
        return ", ".join(part for part in (program, user, place) if part) or None
