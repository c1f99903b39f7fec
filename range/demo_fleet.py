"""The demo on a fleet: alice goes over a bastion to app, becomes a service account, and fetches by sftp.

It is the first process of a ground (`range.hosts.ground`), so nothing it starts outlives it.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from . import demo_join, demo_proof, marked, tamper
from .demo_cast import ARCHIVE, HOSTS, INSIDER, ORGANISATION, SCENARIO, TWIN, Act
from .demo_words import DemoFailed, options, say
from .hosts import ground
from .hosts.fleet import Fleet
from .hosts.host import HostFailed
from .site import CommandFailed

TOO_LITTLE = 3
"""Exit code: the agents see too little here for this demo."""
_GRACE_SECONDS = 60.0
"""How long a story may take to be whole; a busy machine is no reason to fail."""
_TWIN_SECONDS = 4.0
_ALERTING = ("medium", "high", "critical")
_TOLERANCE = 8
"""Found bytes differ from the file's by the protocol or a late report: by less than one part in so many."""


def main() -> int:
    """Play the demo as the command line says."""
    asked = options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        marked.demand()
        return _demo(asked)
    except KeyboardInterrupt:
        return 130
    except (DemoFailed, CommandFailed, HostFailed, RuntimeError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"The demo failed: {error}\n")
        return 1


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _demo(asked: argparse.Namespace) -> int:
    fleet = Fleet(ground.prepare(), ORGANISATION, HOSTS)
    say(f"Vedette starts test hosts ({', '.join(fleet.hosts)}), an agent on each, and their collector.")
    began = time.monotonic()
    with fleet.running([SCENARIO]):
        if not _tell_health(fleet, time.monotonic() - began):
            return TOO_LITTLE
        _incident(fleet, asked)
        if not asked.once:
            demo_join.open_door(fleet)
            say("\nNow live: alerts as they arise, until Ctrl-C. Another terminal can take part:")
            say(
                f"`make demo JOIN=1` is a shell on {demo_join.VISITOR}'s laptop; `ssh bastion` is the way in."
            )
            fleet.site.follow("vedette", "alerts", "--follow")
    return 0


def _tell_health(fleet: Fleet, seconds: float) -> bool:
    """Name the rung of each sensor, the same on all hosts; return whether it is enough for this demo."""
    sensors = fleet.status(fleet.hosts["app"])["watch"]["sensors"]
    seen = [one for one in sensors if one["rung"] is not None or one["degraded"]]
    for title, degraded in ((f"up in {seconds:.0f} s, seen by", False), ("seen by a lower rung", True)):
        named = [f"{one['name']} ({one['rung'] or 'none'})" for one in seen if one["degraded"] == degraded]
        if named:
            say(f"  {title}: {', '.join(named)}")
    return any(one["name"] == "connection" and one["rung"] == "bpf" for one in sensors)


def _incident(fleet: Fleet, asked: argparse.Namespace) -> None:
    began = time.monotonic()
    _act(fleet, TWIN)
    _act(fleet, INSIDER)
    ended = time.monotonic()
    size = int(fleet.outside.run("stat", "--format=%s", ARCHIVE))
    incident = _wait(fleet, lambda one: _is_whole(one, size))
    late = time.monotonic() - ended
    say(f"\n{late:.1f} s after the last byte an analyst reads: vedette show {incident['id']}\n")
    say(fleet.site.vedette("show", incident["id"]))
    receipts = demo_proof.prove(fleet, incident, asked)
    time.sleep(max(0.0, _TWIN_SECONDS - (time.monotonic() - began)))
    _check_alone(fleet)
    if asked.export:
        fleet.site.vedette("export", "--format", "ocsf", "--out", str(asked.export))
        say(f"\nEvents of this run, as OCSF: {asked.export}")
    if asked.tamper:
        first = incident["timeline"][0]["alert"]
        alert = next(one for one in fleet.site.alerts() if one["id"] == first)
        tamper.play(fleet.site, alert, receipts, say)


def _act(fleet: Fleet, act: Act) -> None:
    """Do what somebody does on the laptop, and show it as typed."""
    say(f"\n{act.title}")
    for scene in act.scenes:
        for line in scene.shown:
            say(f"  {line}")
        shell = ["runuser", "--login", act.person, "--command", "exec ssh-agent bash"]
        done = fleet.outside.attempt(*shell, stdin=f"ssh-add -q 2>/dev/null; {scene.command}\n", seconds=90)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-500:]
            raise DemoFailed(f"{act.person}: `{scene.command}` ended with {done.returncode}: {said}")


def _wait(fleet: Fleet, is_whole: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + _GRACE_SECONDS
    while True:
        found = demo_proof.incidents(fleet)
        whole = [one for one in found if is_whole(one)]
        if whole:
            return whole[0]
        if time.monotonic() > deadline:
            told = [one["summary"] for one in found]
            raise DemoFailed(
                f"no incident told the whole story in {_GRACE_SECONDS:.0f} s; there were: {told}"
            )
        time.sleep(0.2)


def _is_whole(incident: dict[str, Any], size: int) -> bool:
    return bool(
        incident["person"] == INSIDER.person
        and incident["source"] == INSIDER.address
        and {"bastion", "app"} <= set(incident["hosts"])
        and abs(incident["bytes_out"] - size) * _TOLERANCE < size
    )


def _check_alone(fleet: Fleet) -> None:
    """Raise unless there is one incident, and no alert about the benign twin."""
    found = demo_proof.incidents(fleet)
    if len(found) != 1:
        raise DemoFailed(f"one incident was expected: {[one['summary'] for one in found]}")
    alerts = fleet.site.alerts()
    wrong = [one for one in alerts if one["severity"] in _ALERTING and one.get("person") != INSIDER.person]
    if wrong:
        raise DemoFailed(f"somebody else than {INSIDER.person} raised an alert: {wrong[0]['summary']}")
    say(f"\n{TWIN.person}, who went the same way and moved as much, raised no alert.")


if __name__ == "__main__":
    sys.exit(main())
