"""One sensor while watch runs: its open feed, its health, and when to climb again after it failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec

from evidence.kind import Body
from evidence.kinds.agent import Loss, Sensor, SensorHealth

from . import sensor
from .errors import RungUnavailable
from .sensor import Feed, Filtered, Filtering, Gathering, Moment, Observed, Retunable
from .settings import Settings

FIRST_RETRY, LAST_RETRY = 5_000_000_000, 600_000_000_000
PATIENCE = 10_000_000_000
"""Nanoseconds within which a feed must see its own trigger."""


class Climbed(msgspec.Struct, frozen=True):
    """Where the ladder ended: feed and rung (None: none works), what was tried, what was seen.

    applies is False where this host has nothing for the sensor to see.
    """

    feed: Feed | None
    rung: str | None
    tried: tuple[SensorHealth, ...] = ()
    seen: tuple[Observed, ...] = ()
    applies: bool = True


class LiveFeed:
    """A sensor's feed. A failing one is closed, told as a loss, and opened again with growing pauses."""

    def __init__(self, of: sensor.Sensor, climb: Callable[[sensor.Sensor], Climbed]) -> None:
        self.name = of.name
        self._sensor = of
        self._climb = climb
        self._at = Climbed(None, None)
        self._accept: Callable[[Body], bool] | None = None
        self._asked = 0
        self._pause = FIRST_RETRY
        self.problem: str | None = None
        self.retry_at: int | None = 0
        """When to climb (monotonic ns); None while the feed is open or no rung works for good."""
        self.read_at: int | None = None
        """When the next timed read is due (monotonic ns)."""
        self.last_seen = 0
        """When this feed last saw anything (monotonic ns)."""
        self.tested: int | None = None
        """When this feed last saw its own trigger (UTC ns)."""
        self.failed_since: int | None = None
        """Since when this sensor has been blind (UTC ns)."""

    @property
    def rung(self) -> str | None:
        """The rung in use."""
        return self._at.rung

    @property
    def applies(self) -> bool:
        """Whether this host has anything for the sensor to see."""
        return self._at.applies

    @property
    def degraded(self) -> bool:
        """Whether the best rung is not the one in use, though there is something to see."""
        best = self._sensor.rungs[0].name if self._sensor.rungs else None
        return self.applies and (best is None or self._at.rung != best)

    def state(self) -> Sensor:
        """Return the sensor's state as an event."""
        return Sensor(sensor=self.name, rung=self.rung, degraded=self.degraded, tried=self._at.tried)

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptors to wait on now."""
        return self._at.feed.filenos() if self._at.feed is not None else ()

    def open(self, now: Moment) -> list[Observed]:
        """Climb the ladder; return what was seen while climbing."""
        self._at = self._climb(self._sensor)
        self._accept = None
        if self._at.feed is None:
            self.retry_at = now.mono + self._pause
            self._pause = min(self._pause * 2, LAST_RETRY)
            return []
        self.retry_at, self.read_at, self.last_seen = None, now.mono, now.mono
        self.problem = None
        self.tested = now.time
        return list(self._at.seen)

    def read(self, now: Moment) -> Iterator[Observed]:
        """Yield what the feed saw, each as it is asked for; a failure ends it and closes the feed."""
        feed = self._at.feed
        if feed is None:
            return
        try:
            seen = feed.read(now)
            if self._accept is not None and (whole := list(seen)):
                self.last_seen = now.mono
                seen = self._without_test(whole, self._accept, now)
            for one in seen:
                self.last_seen = now.mono
                yield one
            period = feed.period
        except Exception as error:  # noqa: BLE001 - a sensor's defect must not end the others
            self.fail(f"{type(error).__name__}: {error}", now)
            return
        self.read_at = None if period is None else now.mono + int(period * 1e9)
        if self.last_seen == now.mono:
            self._pause = FIRST_RETRY

    def rest(self, now: Moment) -> list[Observed]:
        """Return what the feed has gathered and not given out; nothing more is read of it."""
        feed = self._at.feed
        if not isinstance(feed, Gathering):
            return []
        try:
            return list(feed.rest(now))
        except Exception as error:  # noqa: BLE001 - as in read
            self.fail(f"{type(error).__name__}: {error}", now)
            return []

    def losses(self, now: Moment) -> list[Loss]:
        """Return what the feed could not see since the last call."""
        if self._at.feed is None:
            return []
        try:
            return list(self._at.feed.losses(now))
        except Exception as error:  # noqa: BLE001 - as in read
            self.fail(f"{type(error).__name__}: {error}", now)
            return []

    def filtered(self) -> Filtered:
        """Return what the settings had this sensor leave out."""
        feed = self._at.feed
        return feed.filtered() if isinstance(feed, Filtering) else Filtered()

    def test(self, now: Moment, silence: int) -> None:
        """Ask a feed that has been silent for `silence` ns to see its own trigger; fail one that did not."""
        if self._at.feed is None:
            return
        if self._accept is not None:
            if now.mono - self._asked > PATIENCE:
                self.fail("it no longer sees its own trigger", now)
        elif now.mono - self.last_seen >= silence:
            try:
                self._accept, self._asked = self._at.feed.trigger(), now.mono
            except Exception as error:  # noqa: BLE001 - as in read
                self.fail(f"its trigger: {type(error).__name__}: {error}", now)

    def fail(self, problem: str, now: Moment) -> None:
        """Close the feed and plan the next climb."""
        self.problem = problem
        self.close()
        self._at = Climbed(
            None,
            None,
            (*self._at.tried[-3:], SensorHealth(rung=self._at.rung or "none", works=False, reason=problem)),
        )
        self.retry_at, self.read_at = now.mono + self._pause, None
        self._pause = min(self._pause * 2, LAST_RETRY)
        self.failed_since = now.time

    def retune(self, settings: Settings) -> bool:
        """Go by other settings; False where the feed must be opened anew for that."""
        feed = self._at.feed
        if not isinstance(feed, Retunable):
            return feed is None
        try:
            feed.retune(settings)
        except (OSError, RungUnavailable):
            return False
        return True

    def end(self, now: Moment) -> None:
        """Close the feed so that it is opened anew at once."""
        self.close()
        self._at = Climbed(None, None)
        self.retry_at, self.read_at, self._pause = now.mono, None, FIRST_RETRY

    def close(self) -> None:
        """Close the feed."""
        if self._at.feed is not None:
            with suppress(Exception):
                self._at.feed.close()

    def _without_test(
        self, seen: list[Observed], accept: Callable[[Body], bool], now: Moment
    ) -> list[Observed]:
        rest = [one for one in seen if not accept(one.body)]
        if len(rest) < len(seen):
            self._accept, self.tested = None, now.time
        return rest
