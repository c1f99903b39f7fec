"""What an agent says about itself: nothing is silently lost, and a stop is seen."""

from __future__ import annotations

from ..kind import Actor, Body, Part


class LoggedIn(Part, frozen=True, kw_only=True):
    """A login session that has processes: its login uid, audit session, terminal, and since when (UTC ns)."""

    auid: int
    session: int
    user: str | None = None
    tty: str | None = None
    since: int | None = None


class Start(Body, frozen=True, kw_only=True, tag="agent.start"):
    """Watch started. clean is whether the last run said farewell; blind is the unseen interval, UTC ns.

    After an unclean end only the sensors named by blind did not see it; logged_in were there then. policy is
    the digest of the fleet's policy that holds.
    """

    lane = "priority"

    version: str
    host: str
    clean: bool
    os: str | None = None
    kernel: str | None = None
    scope: str = "host"
    timezone: str | None = None
    config: str | None = None
    policy: str | None = None
    last_seq: int | None = None
    blind_from: int | None = None
    blind_to: int | None = None
    blind: tuple[str, ...] = ()
    logged_in: tuple[LoggedIn, ...] = ()


class Stop(Body, frozen=True, kw_only=True, tag="agent.stop"):
    """Watch says farewell, with the reason it knows."""

    lane = "priority"

    reason: str


class Heartbeat(Body, frozen=True, kw_only=True, tag="agent.heartbeat"):
    """The agent is alive and its sensors progress; counts are totals since start."""

    lane = "priority"

    events: int
    interval: float
    sensors: dict[str, str]
    host: str | None = None
    spool_bytes: int | None = None
    rss: int | None = None
    cpu: float | None = None
    tables: dict[str, tuple[int, int]] | None = None


class Loss(Body, frozen=True, kw_only=True, tag="agent.loss"):
    """Events a sensor could not see, keep or send, by cause. from and to are UTC ns.

    top names the producers that caused most of it, with their counts.
    """

    lane = "priority"

    sensor: str
    cause: str
    count: int | None = None
    from_: int | None = None
    to: int | None = None
    top: dict[str, int] | None = None
    suggestion: str | None = None


class ClockStep(Body, frozen=True, kw_only=True, tag="agent.clock_step"):
    """The wall clock moved by step nanoseconds against the monotonic one."""

    lane = "priority"

    step: int


class ConfigChange(Body, frozen=True, kw_only=True, tag="agent.config_change"):
    """The agent's configuration changed; before and after are SHA-256 of the effective settings."""

    lane = "priority"

    before: str | None
    after: str
    changed: tuple[str, ...] = ()
    actor: Actor | None = None


class Certificate(Body, frozen=True, kw_only=True, tag="agent.certificate"):
    """The client certificate was not renewed in time: at most days (30, 7, 1) are left until (UTC ns)."""

    lane = "priority"

    days: int
    until: int


class SensorHealth(Part, frozen=True, kw_only=True):
    """One rung that was tried, and why it is or is not in use."""

    rung: str
    works: bool
    reason: str | None = None
    fix: str | None = None


class Sensor(Body, frozen=True, kw_only=True, tag="agent.sensor"):
    """A sensor's rung at start, or a change of it; degraded when a better one failed."""

    lane = "priority"

    sensor: str
    rung: str | None
    degraded: bool
    tried: tuple[SensorHealth, ...] = ()


KINDS = (Start, Stop, Heartbeat, Loss, ClockStep, ConfigChange, Certificate, Sensor)
