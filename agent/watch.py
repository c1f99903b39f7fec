"""Watch's loop: one selector over all feeds; reads, queues, and hands due batches to the keeper."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from evidence.kind import Body
from evidence.kinds.agent import ClockStep, Loss, Stop

from .intake import Intake
from .live_feed import LiveFeed
from .reporting.self_report import Cost, SelfReport
from .sealing.batching import Batching
from .sealing.losses import LossBook, Lost
from .sensor import Moment
from .settings import Settings
from .supervision.signals import HAND_OVER
from .timeline import Timeline

_TICK = 1_000_000_000
_STATUS = 5_000_000_000
"""Nanoseconds between two looks at losses, and at the status: each counter of a ring is a system call."""
_PACE = 5_000_000
"""Nanoseconds from one turn to the next at least, unless a feed is in a hurry: bursts are read in bunches."""
_EARLY = 50_000_000
"""Nanoseconds by which a timed read may come early, to share a turn: each turn has a cost of its own."""
_SILENCE = 10
"""Heartbeats without an event after which a feed must see its own trigger."""
_FLUSH = 2.0
_FAREWELL = 8.0
"""Seconds for the last batches; systemd waits longer."""


class Source(Protocol):
    """Something with a descriptor that calls for a method when it is readable."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


class Outside(Protocol):
    """What the loop tells the world beside the spool, and what it costs."""

    def ready(self, summary: str) -> None:
        """Start-up is over."""
        ...

    def alive(self, summary: str) -> None:
        """Work makes progress; called each second."""
        ...

    def stopping(self) -> None:
        """The end is wanted."""
        ...

    def show(self, report: SelfReport, feeds: tuple[LiveFeed, ...], batching: Batching, now: int) -> None:
        """Write the status."""
        ...

    def give_back(self, now: Moment) -> None:
        """Give memory back to the host."""
        ...

    def cost(self, now: Moment) -> Cost:
        """Return the cost since the last call."""
        ...

    def adopt(self) -> None:
        """Look for the agent's own processes."""
        ...


class Retuning(msgspec.Struct, frozen=True):
    """Events to tell, and, where the settings are others now, these and the sensors that they concern."""

    bodies: tuple[Body, ...] = ()
    sensors: frozenset[str] = frozenset()
    settings: Settings | None = None


class Parts(msgspec.Struct, frozen=True):
    """All that the loop drives.

    begin returns what to tell first, given the time (UTC ns) when all feeds were open. stopped returns
    the reason to stop, once there is one. notices returns what else to tell at a heartbeat. keep is called
    once all that the named feed saw has been taken in. govern is given the time (monotonic ns) each turn.
    waits are descriptors beside the feeds' and what each calls for. test_wished tells, once for each wish,
    that every sensor shall see its own trigger now. policy looks, each second, whether the settings change.
    """

    clock: Callable[[], Moment]
    heartbeat: float
    feeds: tuple[LiveFeed, ...]
    intake: Intake
    losses: LossBook
    batching: Batching
    report: SelfReport
    outside: Outside
    begin: Callable[[int], Iterable[Body]]
    stopped: Callable[[], str | None]
    test_wished: Callable[[], bool] = lambda: False
    notices: Callable[[], Iterable[Body]] = tuple
    keep: Callable[[str], None] = lambda _: None
    govern: Callable[[int], None] = lambda _: None
    policy: Callable[[Moment], Retuning] = lambda _: Retuning()
    waits: tuple[tuple[int, Callable[[], None]], ...] = ()
    watchdog: float | None = None


class Watch:
    """The loop. It ends when `stopped` gives a reason, and survives whatever a feed does."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._now = parts.clock()
        self._timeline = Timeline(self._now)
        self._selector = selectors.DefaultSelector()
        self._fds: dict[str, tuple[int, ...]] = {}
        self._tick_at = self._now.mono
        self._status_at = 0
        self._heartbeat = int(parts.heartbeat * 1e9)
        self._heartbeat_at = self._now.mono + self._heartbeat
        for fileno, act in (*parts.waits, (parts.batching.fileno(), parts.batching.drain)):
            self._selector.register(fileno, selectors.EVENT_READ, act)

    def run(self) -> bool:
        """Work until stopped; return whether all was sealed and the farewell said."""
        parts = self._parts
        seen = [feed.open(self._now) for feed in parts.feeds]
        self._now = parts.clock()
        for body in (*parts.begin(self._now.time), *(feed.state() for feed in parts.feeds)):
            parts.intake.tell(body, self._now)
        for feed, first in zip(parts.feeds, seen, strict=True):
            parts.intake.take(first, self._timeline, self._now)
            parts.keep(feed.name)
            self._register(feed)
        # Durable before anything else counts: a later start knows from it that this run was.
        parts.batching.flush(parts.clock, _FLUSH)
        parts.outside.ready(self._summary())
        while (reason := parts.stopped()) is None:
            self._turn()
        return self._end(reason)

    def _turn(self) -> None:
        ready = {key.fd: key.data for key, _ in self._selector.select(self._timeout())}
        began = self._now = self._parts.clock()
        self._follow_clock()
        self._parts.govern(began.mono)
        for act in ready.values():
            if act is not None:
                act()
        soon = self._now.mono + _EARLY
        for feed in self._parts.feeds:
            due = feed.read_at is not None and feed.read_at <= soon
            if due or not ready.keys().isdisjoint(self._fds.get(feed.name, ())):
                self._read(feed)
        if self._now.mono >= self._tick_at:
            self._tick()
        self._parts.batching.pump(self._now)
        if None in ready.values():
            self._pace(began)

    def _read(self, feed: LiveFeed) -> None:
        blind = feed.failed_since
        self._parts.intake.take(feed.read(self._now), self._timeline, self._now)
        self._parts.keep(feed.name)
        if feed.failed_since != blind:
            self._failed(feed)
        self._register(feed)

    def _timeout(self) -> float:
        """Return the seconds until something is due."""
        times = [self._tick_at]
        times += [feed.read_at for feed in self._parts.feeds if feed.read_at is not None]
        batch = self._parts.batching.next_at()
        if batch is not None:
            times.append(batch)
        return max(0.0, (min(times) - self._parts.clock().mono) / 1e9)

    def _pace(self, began: Moment) -> None:
        """Wait a little after a turn that a feed's descriptor began: a stream is read in bunches."""
        soon = began.mono + _PACE
        if all(feed.read_at is None or feed.read_at > soon for feed in self._parts.feeds):
            rest = soon - self._parts.clock().mono
            if rest > 0:
                time.sleep(rest / 1e9)

    def _follow_clock(self) -> None:
        step = self._timeline.advance(self._now)
        if step is not None:
            self._parts.intake.tell(ClockStep(step=step), self._now)

    def _tick(self) -> None:
        parts, now = self._parts, self._now
        self._tick_at = now.mono + _TICK
        parts.outside.adopt()
        self._retune(parts.policy(now))
        wished, reports = parts.test_wished(), now.mono >= self._status_at
        for feed in parts.feeds:
            silence = 0 if wished else _SILENCE * self._heartbeat
            self._look_after(feed, silence, losses=reports)
        if now.mono >= self._heartbeat_at:
            self._heartbeat_at = now.mono + self._heartbeat
            cost = parts.outside.cost(now)
            parts.intake.tell(parts.report.heartbeat(parts.feeds, parts.batching, cost), now)
            for body in parts.notices():
                parts.intake.tell(body, now)
        parts.intake.take((), self._timeline, now)
        for loss in parts.losses.events(now.time):
            parts.intake.tell(loss, now)
        if reports:
            self._status_at = now.mono + _STATUS
            parts.outside.show(parts.report, parts.feeds, parts.batching, now.time)
            parts.outside.give_back(now)
        if parts.watchdog is None or parts.batching.stuck(now) < parts.watchdog:
            parts.outside.alive(self._summary())

    def _look_after(self, feed: LiveFeed, silence: int, *, losses: bool) -> None:
        """Collect a feed's losses, test one that was silent for so many ns, open again one that failed."""
        now, blind = self._now, feed.failed_since
        if losses and (found := feed.losses(now)):
            for loss in found:
                self._lose(loss)
            self._parts.keep(feed.name)
        feed.test(now, silence)
        if feed.failed_since != blind:
            self._failed(feed)
        if feed.retry_at is not None and now.mono >= feed.retry_at:
            self._reopen(feed)

    def _failed(self, feed: LiveFeed) -> None:
        self._parts.losses.add(Lost(feed.name, "sensor failed", None, self._now.time, self._now.time))
        self._parts.intake.tell(feed.state(), self._now)
        self._register(feed)

    def _reopen(self, feed: LiveFeed) -> None:
        before = feed.rung
        seen = feed.open(self._now)
        self._now = self._parts.clock()
        self._register(feed)
        if feed.rung is None or feed.rung == before:
            return
        if feed.failed_since is not None:
            lost = Lost(feed.name, "sensor failed", None, feed.failed_since, self._now.time)
            self._parts.losses.add(lost)
            feed.failed_since = None
        self._parts.intake.tell(feed.state(), self._now)
        self._parts.intake.take(seen, self._timeline, self._now)
        self._parts.keep(feed.name)

    def _retune(self, found: Retuning) -> None:
        """Tell what became of the policy, and let the sensors go by other settings."""
        for body in found.bodies:
            self._parts.intake.tell(body, self._now)
        if found.settings is None:
            return
        self._heartbeat = int(found.settings.heartbeat * 1e9)
        self._heartbeat_at = min(self._heartbeat_at, self._now.mono + self._heartbeat)
        for feed in self._parts.feeds:
            if feed.name in found.sensors and not feed.retune(found.settings):
                self._open_anew(feed)

    def _open_anew(self, feed: LiveFeed) -> None:
        """Read what is left of a feed and open it under the settings that hold; say how long it was blind."""
        self._drain(feed)
        since = self._now.time
        feed.end(self._now)
        self._reopen(feed)
        self._parts.losses.add(Lost(feed.name, "opened anew for a policy", None, since, self._now.time))

    def _lose(self, loss: Loss) -> None:
        self._parts.losses.add(
            Lost(
                loss.sensor,
                loss.cause,
                loss.count,
                loss.from_,
                loss.to,
                suggestion=loss.suggestion,
                top=loss.top,
            )
        )

    def _register(self, feed: LiveFeed) -> None:
        """Wait on the feed's descriptors as they are now."""
        wanted, known = feed.filenos(), self._fds.get(feed.name, ())
        if wanted == known:
            return
        for fd in known:
            if fd not in wanted:
                self._forget(fd)
        for fd in wanted:
            if fd not in known:
                self._forget(fd)
                self._selector.register(fd, selectors.EVENT_READ, None)
        self._fds[feed.name] = wanted

    def _forget(self, fd: int) -> None:
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError, OSError):
            return

    def _summary(self) -> str:
        degraded = [feed.name for feed in self._parts.feeds if feed.degraded]
        return f"degraded: {', '.join(degraded)}" if degraded else "all sensors see"

    def _drain(self, feed: LiveFeed) -> None:
        """Read what a feed has left, and its losses."""
        self._read(feed)
        self._parts.intake.take(feed.rest(self._now), self._timeline, self._now)
        for loss in feed.losses(self._now):
            self._lose(loss)
        self._parts.keep(feed.name)

    def _end(self, reason: str) -> bool:
        """Read what is left, say farewell, seal everything."""
        parts = self._parts
        parts.outside.stopping()
        if reason == HAND_OVER:
            return parts.batching.flush(parts.clock, _FLUSH)  # pinned rings go on for the start that follows
        self._now = parts.clock()
        for feed in parts.feeds:
            self._drain(feed)
        parts.intake.rest(self._now)
        for loss in parts.losses.events(self._now.time, all_of_them=True):
            parts.intake.tell(loss, self._now)
        parts.intake.tell(Stop(reason=reason), self._now)
        done = parts.batching.finish(parts.clock, _FAREWELL)
        for feed in parts.feeds:
            feed.close()
        parts.batching.close()
        self._selector.close()
        return done
