"""From what a feed saw to a queued event: own processes out, enrich, choose a lane, stamp, queue or shed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from evidence.codec import LINE_LIMIT
from evidence.event import Event, stamp
from evidence.kind import Body, Lane, kind_of
from evidence.kinds.process import Exec

from .enrich import Enrichment, Surroundings, enrich
from .identity_watch import IdentityWatch
from .interactive import InteractiveSessions
from .lanes import Lanes
from .losses import LossBook, Lost
from .own_processes import OwnProcesses
from .sensor import Moment, Observed
from .timeline import Timeline


class Observer(Protocol):
    """A table of processes that learns from events."""

    added: int
    removed: int
    """Since start."""

    def observe(self, body: Body, mono: int) -> None:
        """Take a body seen at mono (ns)."""
        ...


class Hasher(Protocol):
    """Hashes executed files."""

    def hash(self, pid: int, exe: str | None, executed: int, *, on_host: bool) -> str | None:
        """Return the hex SHA-256 of what pid executed from exe at executed (UTC ns), None if unknown."""
        ...


@dataclass(frozen=True)
class Tables:
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
        publish: Callable[[Event[Body]], None],
        remember: Callable[[Lane, int, bytes], None] = lambda *_: None,
    ) -> None:
        """Take the parts; remember is given lane, number and line of every queued event."""
        self._lanes = lanes
        self._losses = losses
        self._tables = tables
        self._first = tuple(step for step in steps if step.order < 0)
        self._then = tuple(step for step in steps if step.order >= 0)
        self._around = around
        self._hasher = hasher
        self._seq = last_seq
        self._publish = publish
        self._remember = remember
        self.events = 0
        """Queued since start."""
        self.shed = 0
        """Shed since start."""

    def take(self, seen: Iterable[Observed], timeline: Timeline, now: Moment) -> None:
        """Queue what a feed saw."""
        tables = self._tables
        for one in seen:
            at = timeline.place(one, now)
            body = enrich(one.body, self._first, self._around)
            tables.processes.observe(body, at.mono)
            if tables.own.skip(body):
                continue
            body = enrich(body, self._then, self._around)
            tables.identities.observe(body, at.mono)
            self._queue(self._hashed(body, at) if isinstance(body, Exec) else body, at, now)
        if tables.identities.waiting:
            for changed in tables.identities.due(now.mono):
                self.tell(changed, now)

    def tell(self, body: Body, now: Moment) -> None:
        """Queue an event of watch itself."""
        body = enrich(body, self._first, self._around)
        self._queue(enrich(body, self._then, self._around), now, now)

    def _hashed(self, body: Exec, at: Moment) -> Exec:
        """Return an exec with the hash of its file, or with the note that it could not be had."""
        if body.sha256 is not None:
            return body
        found = self._hasher.hash(body.pid, body.exe, at.time, on_host=body.container is None)
        if found is None:
            return msgspec.structs.replace(body, missing=(*body.missing, "sha256"))
        return msgspec.structs.replace(body, sha256=found)

    def _queue(self, body: Body, at: Moment, now: Moment) -> None:
        event = stamp(body, seq=self._seq + 1, time=at.time, mono=at.mono)
        line = msgspec.json.encode(event)
        size = len(line)
        lane = self._tables.sessions.lane(body, at.mono)
        if size > LINE_LIMIT:
            self._shed(body, "event too large", at, None)
        elif not self._lanes.queue(lane).offer(event, size, now.mono):
            self._shed(body, f"{lane} queue full", at, "raise [batch] queue_events and queue_bytes")
        else:
            self._seq += 1
            self.events += 1
            self._remember(lane, self._seq, line)
            self._publish(event)

    def _shed(self, body: Body, cause: str, at: Moment, suggestion: str | None) -> None:
        self.shed += 1
        lost = Lost("watch", cause, 1, at.time, at.time, kind_of(body), _producer(body), suggestion)
        self._losses.add(lost)


def _producer(body: Body) -> str | None:
    """Return the program behind an event, for the list of top producers."""
    if isinstance(body, Exec):
        return body.exe
    actor = getattr(body, "actor", None)
    return actor.exe if actor is not None else getattr(body, "exe", None) or getattr(body, "program", None)
