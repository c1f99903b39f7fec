"""What watch says about itself: start, heartbeat, settings changes, and the status file's content. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from evidence import statement
from evidence.enrolment import Facts
from evidence.kinds.agent import ConfigChange, Heartbeat, LoggedIn, Start

from .. import settings_file
from ..intake import Intake, Tables
from ..live_feed import LiveFeed
from ..sealing.batching import Batching
from ..sealing.lanes import LANES, Lanes
from ..sealing.last_run import LastSettings
from ..version import VERSION
from .status import LaneStatus, PolicyStatus, SensorStatus, Status

_UNCLEAN, _STOPPED = "agent died", "agent stopped"


class Cost(msgspec.Struct, frozen=True):
    """What watch cost since the last heartbeat: PSS in bytes, CPU as a share of one core, over seconds."""

    pss: int | None
    cpu: float
    interval: float


class Before(msgspec.Struct, frozen=True):
    """The last run: clean or not, its last event number, blind since (UTC ns; None: first run)."""

    clean: bool
    last_seq: int
    blind_from: int | None

    def loss(self, now: int, blind: Mapping[str, int]) -> tuple[statement.Loss, ...]:
        """Return the blind interval up to now (UTC ns), for the next statement.

        After a kill there is one for each blind sensor, up to when it was: what the others saw was kept.
        """
        if self.blind_from is None:
            return ()
        ends = {_STOPPED: now} if self.clean else {f"{name}: {_UNCLEAN}": at for name, at in blind.items()}
        return tuple(
            statement.Loss(cause, self.blind_from, max(end, self.blind_from)) for cause, end in ends.items()
        )


class Setting(msgspec.Struct, frozen=True):
    """Under which settings watch starts."""

    scope: str
    timezone: str
    config: str
    policy: str | None = None


def start(
    facts: Facts,
    before: Before,
    now: int,
    setting: Setting,
    *,
    blind: Iterable[str] = (),
    logged_in: tuple[LoggedIn, ...] = (),
) -> Start:
    """Return agent.start, told at now (UTC ns): which sensors were blind, and who was logged in."""
    unseen = before.clean or bool(blind)
    return Start(
        version=VERSION,
        host=facts.host,
        clean=before.clean,
        os=facts.os,
        kernel=facts.kernel,
        scope=setting.scope,
        timezone=setting.timezone,
        config=setting.config,
        policy=setting.policy,
        last_seq=before.last_seq or None,
        blind_from=before.blind_from if unseen else None,
        blind_to=max(now, before.blind_from) if unseen and before.blind_from is not None else None,
        blind=() if before.clean else tuple(blind),
        logged_in=logged_in,
    )


def config_change(last: LastSettings | None, values: dict[str, Any], sha256: str) -> ConfigChange | None:
    """Return the change of the effective settings since the last start; None when there is none."""
    if last is None or last.sha256 == sha256:
        return None
    return ConfigChange(before=last.sha256, after=sha256, changed=settings_file.diff(last.values, values))


class Subject(msgspec.Struct, frozen=True):
    """Who reports: the machine, the agent id, this pid, when it started (UTC ns)."""

    facts: Facts
    agent: str
    pid: int
    started: int


class SelfReport:
    """The counts behind heartbeats and status."""

    def __init__(
        self,
        subject: Subject,
        intake: Intake,
        lanes: Lanes,
        tables: Tables,
        policy: Callable[[], PolicyStatus | None] = lambda: None,
    ) -> None:
        self._subject = subject
        self._policy = policy
        self._intake = intake
        self._lanes = lanes
        self._tables = tables

    def heartbeat(self, feeds: Iterable[LiveFeed], batching: Batching, cost: Cost) -> Heartbeat:
        """Return agent.heartbeat. tables holds pairs (added, removed) since start, by table."""
        intake = self._intake
        return Heartbeat(
            events=intake.events,
            interval=cost.interval,
            sensors={feed.name: _state(feed) for feed in feeds},
            host=self._subject.facts.host,
            spool_bytes=batching.spool.bytes,
            rss=cost.pss,
            cpu=cost.cpu,
            tables={
                "processes": (self._tables.processes.added, self._tables.processes.removed),
                "own": (self._tables.own.skipped, 0),
                "queued": (intake.events, 0),
                "shed": (intake.shed, 0),
            },
        )

    def status(self, now: int, feeds: Iterable[LiveFeed], batching: Batching) -> Status:
        """Return the status at now (UTC ns)."""
        lanes: dict[str, LaneStatus] = {
            lane: LaneStatus(
                len(self._lanes.queue(lane)), self._lanes.queue(lane).bytes, batching.spool.heads.get(lane, 0)
            )
            for lane in LANES
        }
        return Status(
            time=now,
            pid=self._subject.pid,
            version=VERSION,
            agent=self._subject.agent,
            host=self._subject.facts.host,
            started=self._subject.started,
            events=self._intake.events,
            shed=self._intake.shed,
            own=self._tables.own.skipped,
            sensors=tuple(_sensor(feed) for feed in feeds),
            lanes=lanes,
            spool=batching.spool,
            last_stored=batching.last_stored,
            last_receipt=batching.last_receipt,
            problem=batching.problem,
            shedding=self._intake.shedding.cause,
            policy=self._policy(),
        )


def _state(feed: LiveFeed) -> str:
    if feed.rung is None:
        return "none" if feed.applies else "not applicable"
    return f"{feed.rung} (degraded)" if feed.degraded else feed.rung


def _sensor(feed: LiveFeed) -> SensorStatus:
    state, filtered = feed.state(), feed.filtered()
    return SensorStatus(
        feed.name,
        state.rung,
        state.degraded,
        state.tried,
        feed.problem,
        feed.tested,
        filtered.counts,
        filtered.refused,
    )
