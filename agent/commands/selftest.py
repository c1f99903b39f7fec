"""`selftest`: let every sensor of the running agent see an event of its own making, and say which did."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from ..command import FINE, FOUND, Command, Invocation
from ..errors import AgentError
from ..reporting import status
from ..reporting.status import SensorStatus
from ..supervision.signals import TEST

_PATIENCE = 25.0
"""Seconds: a feed has ten, and the status is written each five."""
_PAUSE = 0.5
_NAME = "vedette-watch"


class Result(msgspec.Struct, frozen=True):
    """One sensor: whether it saw its trigger, through which rung, and what is known if not.

    applies is False where this host has nothing for it to see.
    """

    sensor: str
    rung: str | None
    saw: bool
    applies: bool
    problem: str | None = None


def _run(call: Invocation) -> int:
    folder = call.settings().runtime
    before = status.read(folder)
    asked = time.time_ns()
    _ask(before.pid)
    found = before
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and not all(_saw(one, asked) for one in found.sensors if one.applies):
        time.sleep(_PAUSE)
        found = status.read(folder)
    results = [_result(one, asked) for one in found.sensors]
    if call.console.as_json:
        call.console.value(results)
    else:
        _show(call, results)
    return FINE if all(one.saw for one in results if one.applies) else FOUND


def _ask(pid: int) -> None:
    """Wish for a test.

    Raises:
        AgentError: watch does not run, or may not be signalled.
    """
    if not _is_watch(pid):
        raise AgentError(f"watch (pid {pid}) has ended; start it: systemctl start vedette-watch")
    try:
        os.kill(pid, TEST)
    except OSError as error:
        raise AgentError(f"watch (pid {pid}) belongs to another user; run as root") from error


def _is_watch(pid: int) -> bool:
    """Tell whether pid is still watch: a number may have been given to another process since."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == _NAME
    except OSError:
        return False


def _saw(one: SensorStatus, asked: int) -> bool:
    return one.tested is not None and one.tested >= asked


def _result(one: SensorStatus, asked: int) -> Result:
    if _saw(one, asked):
        return Result(one.name, one.rung, saw=True, applies=True)
    why = one.problem or next((tried.reason for tried in one.tried if not tried.works), None)
    problem = why or "it did not see its trigger in time"
    return Result(one.name, one.rung, saw=False, applies=one.applies, problem=problem)


def _show(call: Invocation, results: list[Result]) -> None:
    rows = [(one.sensor, one.rung or "-", _state(one)) for one in results]
    call.console.table(("SENSOR", "RUNG", "STATE"), rows)
    for one in results:
        if one.applies and not one.saw:
            call.console.line(f"{one.sensor}: {one.problem}", "bold yellow")


def _state(one: Result) -> str:
    if not one.applies:
        return "not applicable"
    return "sees" if one.saw else "blind"


COMMAND = Command("selftest", "let every sensor see an event of its own making", _run)
