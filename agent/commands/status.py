"""`status`: is this host seen, sealed and shipped; what is degraded, why, and what would help."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from evidence.kinds.agent import SensorHealth

from ..command import FINE, FOUND, Command, Invocation
from ..errors import NotEnrolled
from ..governing.shedding import SUGGESTION
from ..layout import Layout
from ..reporting import status
from ..reporting.status import PolicyStatus, SensorStatus, Status
from ..spool import inbox, survey
from ..spool.disk import LocalDisk
from ..spool.inbox import ShipState

_SECOND = 1_000_000_000


def _run(call: Invocation) -> int:
    settings = call.settings()
    places = Layout(settings.state)
    if not places.identity.exists() and not (settings.runtime / status.FILE).exists():
        raise NotEnrolled(f"not enrolled ({places.identity} is missing): run `vedette-agent enroll`")
    found = status.read(settings.runtime)
    disk = LocalDisk()
    ship = inbox.read_state(disk, places.inbox)
    gone = survey.survey(disk, places.spool).without_data
    age = (time.time_ns() - found.time) / _SECOND
    problems = list(_problems(found, ship, age, gone))
    if call.console.as_json:
        call.console.value({"degraded": bool(problems), "problems": problems, "watch": found, "ship": ship})
    else:
        _show(call, found, ship, problems)
    return FOUND if problems else FINE


def _problems(found: Status, ship: ShipState | None, age: float, gone: int) -> Iterable[str]:
    """Name what an operator should look at, worst first, each with what would help where that is known.

    gone is how many statements wait whose data was given up for want of room.
    """
    if age > status.STALE:
        yield f"watch has not reported for {age:.0f} s; is it running? systemctl status vedette-watch"
    elif not Path(f"/proc/{found.pid}").exists():
        yield f"watch (pid {found.pid}) has ended; start it: systemctl start vedette-watch"
    if found.problem is not None:
        yield found.problem if found.problem.startswith("spool: ") else f"spool: {found.problem}"
    if gone:
        yield (
            f"spool: full, the data of {gone} statements was given up; "
            "free some disk or raise [spool] max_bytes"
        )
    if ship is not None and ship.problem is not None:
        yield f"ship: {ship.problem}"
    if found.shedding is not None:
        yield f"bulk events are shed: {found.shedding}; {SUGGESTION}"
    if found.policy is not None and found.policy.refused is not None:
        yield f"policy refused: {found.policy.refused}"
    if found.policy is not None and found.policy.state == "ended":
        yield f"policy {found.policy.name} {found.policy.version} has ended, and its filters with it"
    yield from _degraded([sensor for sensor in found.sensors if sensor.degraded])


def _degraded(sensors: Sequence[SensorStatus]) -> Iterable[str]:
    """Name the sensors that see nothing, then each rung that failed once, with the sensors it failed for."""
    for sensor in sensors:
        if sensor.rung is None:
            why = sensor.problem or (None if sensor.tried else "not opened yet")
            yield f"{sensor.name}: sees nothing{f'; {why}' if why else ''}"
        elif sensor.problem is not None:
            yield f"{sensor.name}: {sensor.problem}"
    lost: dict[SensorHealth, list[str]] = {}
    for sensor in sensors:
        for health in sensor.tried:
            if not health.works:
                lost.setdefault(health, []).append(sensor.name)
    for health, names in lost.items():
        fix = f" ({health.fix})" if health.fix else ""
        yield f"{', '.join(names)}: not by {health.rung}: {health.reason}{fix}"


def _seeing(sensor: SensorStatus) -> str:
    if sensor.degraded:
        return "degraded"
    return "sees" if sensor.applies else "not applicable"


def _show(call: Invocation, found: Status, ship: ShipState | None, problems: list[str]) -> None:
    console = call.console
    console.line(f"agent {found.agent} on {found.host}, version {found.version}, since {_utc(found.started)}")
    console.line(
        f"{found.events} events sealed or queued, {found.shed} shed, {found.own} of the agent itself"
    )
    console.table(
        ("SENSOR", "RUNG", "STATE"),
        [(one.name, one.rung or "-", _seeing(one)) for one in found.sensors],
    )
    console.table(
        ("LANE", "LAST STATEMENT", "EVENTS WAITING"),
        [(name, str(lane.seq), str(lane.waiting)) for name, lane in found.lanes.items()],
    )
    if found.spool is not None:
        console.line(f"spool: {found.spool.bytes} bytes, {found.spool.waiting} statements without a receipt")
        if found.spool.restored is not None:
            console.line(f"the collector was restored from a backup, heard at {_utc(found.spool.restored)}")
    if found.policy is not None and found.policy.name is not None:
        console.line(_policy(found.policy))
    last = _utc(found.last_receipt) if found.last_receipt else "none since the start"
    console.line(f"last receipt verified: {last}")
    if ship is None:
        console.line("ship has left no state yet")
    for sensor in found.sensors:
        for name, count in sensor.filtered.items():
            console.line(f"{sensor.name} leaves out {name}: {count} so far")
        for refused in sensor.refused_filters:
            console.line(f"{sensor.name} tells, though its settings ignore it: {refused}")
    for problem in problems:
        console.line(problem, "bold yellow")
    if not problems:
        console.line("fine", "bold green")


def _policy(held: PolicyStatus) -> str:
    digest = (held.digest or "")[:16]
    until = _utc(held.until or 0)
    return f"policy {held.name}, version {held.version} ({digest}…): {held.state}, until {until}"


def _utc(ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns / _SECOND))


COMMAND = Command("status", "show whether this host is seen, sealed and shipped", _run)
