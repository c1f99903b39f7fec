"""Plays scenarios on a fleet of test hosts: all twins, then all attacks; a line of JSON for each on stdout.

It is the first process of a ground (`range.hosts.ground`), so nothing it starts outlives it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import marked
from .feed import Feed, following
from .hosts import ground
from .hosts.fleet import Fleet
from .hosts.host import HostFailed
from .scenario import PLACES, Scenario, Step, Truth, load
from .score import GRACE, Played, Verdict, judge, of_twin, reached
from .site import CommandFailed
from .twins import Draw

_SETTLE_SECONDS = 6.0
"""After the last twin, for what it may have raised."""
_STEP_SECONDS = 90.0
_TRIES = 2
_OPENING = "ssh-add -q 2>/dev/null; "


@dataclass(frozen=True)
class Proof:
    """How many incidents the scenario's person has, and whether the evidence of the first verifies."""

    incidents: int
    verified: bool


def main() -> int:
    """Play the scenarios named on the command line; 0 if they could be played, whatever was found."""
    parser = argparse.ArgumentParser(prog="range.play", description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--twins", type=int, default=1, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        marked.demand()
        known = load()
        _play([known[name] for name in options.names], options.twins, options.keep)
    except KeyboardInterrupt:
        return 130
    except (CommandFailed, HostFailed, marked.NotARange) as error:
        _say(f"the range failed: {error}")
        return 2
    return 0


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _play(scenarios: Sequence[Scenario], runs: int, keep: Path | None) -> None:
    fleet = Fleet(ground.prepare(), PLACES)
    began = time.monotonic()
    try:
        with fleet.running(scenarios), following(fleet.site) as feed:
            _say(
                f"{len(fleet.hosts)} hosts, their agents and the collector: {time.monotonic() - began:.1f} s"
            )
            for row in _rows(fleet, feed, scenarios, runs):
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()
            if keep is not None:
                _keep_answers(fleet, feed)
    finally:
        if keep is not None:
            _keep_logs(fleet.folder, keep)


def _rows(fleet: Fleet, feed: Feed, scenarios: Sequence[Scenario], runs: int) -> list[dict[str, Any]]:
    twins = _twins(fleet, scenarios, runs)
    fleet.restore()
    time.sleep(_SETTLE_SECONDS)
    attacks: dict[str, Played] = {}
    cast = frozenset(person.name for one in scenarios for person in one.people)

    def verdicts() -> dict[str, Verdict]:
        seen = feed.seen()
        return {
            one.name: judge(one.truth, attacks[one.name], seen, cast)
            for one in scenarios
            if one.name in attacks
        }

    def wait() -> None:
        feed.wait(lambda _seen: all(_is_complete(one) for one in verdicts().values()), time.time() + GRACE)

    for ending in (False, True):
        part = [one for one in scenarios if one.ends_agent is ending]
        if part:
            attacks |= {one.name: _steps(fleet, one, one.steps, "") for one in part}
            wait()
    if any(one.ends_agent for one in scenarios):
        fleet.restore()
        wait()
    found = verdicts()
    verified = _verify(fleet, found)
    seen = feed.seen()
    return [
        _row(one, found[one.name], verified[one.name])
        | {"reached_right": reached(one.truth, _sessions(fleet, one.truth))}
        | _twin_row(twins[one.name], of_twin(one, twins[one.name], seen, cast))
        for one in scenarios
    ]


def _twins(fleet: Fleet, scenarios: Sequence[Scenario], runs: int) -> dict[str, list[Played]]:
    """Play every twin as described, then again and again with other amounts, names and choices."""
    return {
        one.name: [
            _steps(fleet, one, one.twin(Draw(run)), f"twin {run + 1} of ")
            for run in range(min(runs, one.twin_runs))
        ]
        for one in scenarios
    }


def _is_complete(verdict: Verdict) -> bool:
    return verdict.person_right and verdict.bytes_right is not False


def _steps(fleet: Fleet, scenario: Scenario, steps: Sequence[Step], what: str) -> Played:
    """Take the steps one after the other."""
    began = ended = time.time()
    for step in steps:
        time.sleep(step.pause)
        _take(fleet, step)
        ended = time.time()
    _say(f"{scenario.number:>2} {what}{scenario.name}: {len(steps)} steps, {ended - began:.1f} s")
    return Played(began, ended)


def _take(fleet: Fleet, step: Step) -> None:
    if step.person is None:
        fleet.hosts[step.host or ""].run("bash", "-c", step.command)
        return
    shell = ["runuser", "--login", step.person, "--command", "exec ssh-agent bash"]
    done = fleet.outside.attempt(*shell, stdin=_OPENING + step.command + "\n", seconds=_STEP_SECONDS)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise HostFailed(f"{step.person}: `{step.command}` ended with {done.returncode}: {said}")


def _verify(fleet: Fleet, found: dict[str, Verdict]) -> dict[str, Proof]:
    """Let an auditor check the incident of each alert against receipts that the hosts exported after it."""
    alerts = {name: verdict.alert for name, verdict in found.items() if verdict.alert is not None}
    files = {name: fleet.folder / f"{name}.bundle" for name in alerts}
    incidents = {name: _fetch(fleet, alert, files[name]) for name, alert in alerts.items()}
    trust = [word for path in fleet.receipts(fleet.folder) for word in ("--trust", str(path))]
    return {
        name: Proof(incidents.get(name, 0), verified=name in files and _holds(fleet, files[name], trust))
        for name in found
    }


def _fetch(fleet: Fleet, alert: dict[str, Any], file: Path) -> int:
    """Write the bundle of the alert's incident, or of the alert; return how many incidents the person has.

    A finding that is told anew meanwhile may give the incident another id, so there is a second try.
    """
    ids: list[str] = []
    for _ in range(_TRIES):
        ids = _incidents(fleet, alert.get("person"))
        words = ("prove", ids[0]) if ids else ("export", "--format", "bundle", "--alert", alert["id"])
        try:
            fleet.site.vedette(*words, "--out", str(file))
        except CommandFailed as error:
            _say(str(error))
        else:
            break
    return len(ids)


def _incidents(fleet: Fleet, person: str | None) -> list[str]:
    """Return the ids of a person's incidents."""
    if person is None:
        return []
    lines = fleet.site.vedette("incidents", "--person", person, "--json").splitlines()
    return [json.loads(line)["id"] for line in lines]


def _sessions(fleet: Fleet, truth: Truth) -> list[dict[str, Any]]:
    """Return what the collector knows of the person's sessions, where the truth asks for it."""
    if not truth.reached:
        return []
    found: list[dict[str, Any]] = json.loads(fleet.site.vedette("person", truth.person, "--json"))["sessions"]
    return found


def _holds(fleet: Fleet, bundle: Path, trust: list[str]) -> bool:
    if not bundle.exists():
        return False
    said = json.loads(fleet.site.vedette("prove", "--bundle", str(bundle), *trust, "--json", accept=(0, 1)))
    if said["status"] != "verified":
        _say(f"{bundle.name} is {said['status']}: {json.dumps(said)[:2000]}")
    return bool(said["status"] == "verified")


def _row(scenario: Scenario, verdict: Verdict, proof: Proof) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "number": scenario.number,
        "title": scenario.title,
        "detected": verdict.alert is not None,
        "rule": verdict.alert["rule"] if verdict.alert is not None else None,
        "seconds": None if verdict.seconds is None else round(verdict.seconds, 1),
        "person_right": verdict.person_right,
        "bytes_right": verdict.bytes_right,
        "incidents": proof.incidents,
        "evidence_verified": proof.verified,
    }


def _twin_row(runs: list[Played], alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "twin_runs": len(runs),
        "twin_alerts": len(alerts),
        "twin_rules": sorted({alert["rule"] for alert in alerts}),
    }


def _keep_answers(fleet: Fleet, feed: Feed) -> None:
    lines = [json.dumps(one.alert) + "\n" for one in feed.seen()]
    (fleet.folder / "alerts.log").write_text("".join(lines))
    fleet.site.vedette("export", "--format", "ocsf", "--out", str(fleet.folder / "events.log"))


def _keep_logs(folder: Path, keep: Path) -> None:
    """Copy what the range's programs said, for somebody who wants to know why."""
    keep.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        (keep / log.name).write_bytes(log.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
