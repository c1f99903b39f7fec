"""`policy show`: which policy each host told that it holds, beside the one it is offered."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from .. import paths
from ..command import FINE, FOUND, Command, Invocation
from ..enrolment import roll
from ..policy import policy_decide, policy_standing
from ..policy.policy_standing import HOUR, Standing
from ..questions import fetch, moments

_HEADS = ("HOST", "AGENT", "OFFERED", "HOLDS", "WHY", "SINCE", "DIFFERS FOR", "REFUSED")
_MEMORY = 256 << 20
_SECONDS = 60.0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="?", metavar="HOST", help="one host: its name or agent id")
    parser.add_argument(
        "--hours", type=float, default=24.0, metavar="N", help="exit with 1 if a host differs for longer (24)"
    )


def _run(call: Invocation) -> int:
    settings, wanted, now = call.settings(), call.options.host, time.time_ns()
    places = paths.of(settings)
    every = policy_decide.every(settings)
    known = roll.enrolments(places)
    hosts = [known.match(wanted)] if wanted is not None else known.rows()
    with closing(fetch.connect(places.snapshot, _MEMORY)) as lake:
        events = fetch.rows(lake, policy_standing.told(), _SECONDS)
    found = policy_standing.standings(hosts, every, events, now)
    if call.terminal.as_json:
        call.terminal.value(found)
    else:
        call.terminal.table(_HEADS, [_cells(one) for one in found])
    late = [one for one in found if one.differs is not None and one.differs > call.options.hours * HOUR]
    for one in late:
        call.terminal.warn(f"{one.host} has not held {one.offered} for {_hours(one)}")
    return FOUND if late else FINE


def _cells(one: Standing) -> tuple[str | None, ...]:
    since = moments.to_iso(one.since)[:16] if one.since is not None else None
    differs = _hours(one) if one.differs is not None else None
    return (one.host, one.agent[:12], one.offered, one.holds, one.cause, since, differs, one.refused)


def _hours(one: Standing) -> str:
    return f"{(one.differs or 0) / HOUR:.1f} h"


COMMAND = Command("policy show", "show which policy holds on which host", _run, _arguments)
