"""`vedette show`: the story of an alert or an incident: who and how we know, from where, what, how much."""

from __future__ import annotations

import argparse
from typing import Any

from evidence import audit, bundle, host_receipts
from evidence.errors import EvidenceError

from .. import http, incident
from ..command import FINE, Call, Command
from ..describe import HOW, badge
from ..errors import Refusal
from ..screen import Screen, styled
from ..text import size, utc
from .search import events
from .verify import read_file, sequences


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="id of an alert or an incident, or enough of its beginning")
    parser.add_argument(
        "--trust", metavar="RECEIPTS", help="check the evidence against receipts taken from the hosts"
    )
    parser.add_argument("--no-evidence", action="store_true", help="do not fetch and check the evidence")


def _run(call: Call) -> int:
    api, options = http.connect(call), call.options
    try:
        story = api.get(f"/v1/alerts/{options.id}")
    except Refusal as error:
        if error.code != "not_found":
            raise
        return _incident(call, api)
    checked = None if options.no_evidence else _evidence(api, story["alert"]["id"], options.trust)
    if call.screen.as_json:
        call.screen.value(story | {"evidence": checked})
        return FINE
    _headline(call.screen, story["alert"])
    _facts(call.screen, story["alert"])
    call.screen.line("")
    call.screen.line(("contributing events", "bold"))
    events(call.screen, story["events"], uids=True)
    call.screen.line("")
    _proof(call.screen, story, checked)
    _next(call.screen, story)
    return FINE


def _incident(call: Call, api: http.Api) -> int:
    """Tell an incident, for what is no alert's id."""
    told = api.get(f"/v1/incidents/{call.options.id}", suppressed=True)
    if call.screen.as_json:
        call.screen.value(told)
    else:
        incident.story(call.screen, told)
    return FINE


def _evidence(api: http.Api, alert: str, trust: str | None) -> dict[str, Any]:
    """Fetch the alert's bundle and audit it here; what cannot be checked is said, not raised."""
    try:
        with api.stream("/v1/bundle", alert=alert) as parts:
            raw = b"".join(parts)
        trusted = host_receipts.decode(read_file(trust)) if trust else ()
        report = audit.audit(bundle.read(raw), trusted)
    except Refusal as error:
        return {"status": "not checked", "why": str(error)}
    except EvidenceError as error:
        return {"status": "broken", "problems": [str(error)]}
    missing = [
        f"agent {gap.agent}, lane {gap.lane}, sequence {sequences(gap)}: {gap.why}" for gap in report.missing
    ]
    return {
        "status": report.status,
        "statements": report.statements,
        "problems": [*report.problems, *missing],
    }


def _headline(screen: Screen, alert: dict[str, Any]) -> None:
    severity, style = badge(alert["severity"])
    screen.line(
        (f" {severity.upper()} ", style), "  ", (alert["title"], "bold"), (f"   {alert['id'][:12]}", "dim")
    )
    screen.line("  ", alert["summary"])
    if "suppressed" in alert:
        by = alert["suppressed"]
        until = utc(by["expires"])
        screen.line(
            "  ", (f"suppressed by {by['author']} until {until} ({by['id']}): {by['reason']}", "yellow")
        )
    screen.line("")


def _facts(screen: Screen, alert: dict[str, Any]) -> None:
    person = alert.get("person")
    how = HOW.get(alert.get("how", ""), alert.get("how", "unknown"))
    facts: list[tuple[str, str]] = [("person", f"{person}, known by {how}" if person else "not known")]
    if "person_source" in alert:
        key = f", key {alert['fingerprint']}" if "fingerprint" in alert else ""
        facts.append(("logged in from", f"{alert['person_source']}{key}"))
    session = f", session {alert['session']}" if "session" in alert else ""
    facts.append(("on", f"{alert.get('host', '-')}{session}"))
    if "bytes_out" in alert:
        facts.append(("bytes out", f"{size(alert['bytes_out'])} ({alert['bytes_out']:,})"))
    if "destination" in alert:
        facts.append(("destination", alert["destination"]))
    facts.append(("time", f"{utc(alert['time'], digits=3)}, decided {utc(alert['detected'], digits=3)}"))
    if alert.get("attack"):
        facts.append(("ATT&CK", ", ".join(alert["attack"])))
    facts.append(("rule", f"{alert['rule']} (version {alert['version']})"))
    if alert.get("revision"):
        facts.append(("revision", f"{alert['revision']}: told again as more became known"))
    facts += [(name, str(value)) for name, value in alert.get("details", {}).items()]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        screen.show(
            styled(
                (f"  {name.replace('_', ' '):<{width}}  ", "dim"), (value, "bold" if name == "person" else "")
            )
        )


def _proof(screen: Screen, story: dict[str, Any], checked: dict[str, Any] | None) -> None:
    found, entries = len(story["events"]), [str(batch["ledger_index"]) for batch in story["batches"]]
    screen.line(
        ("evidence  ", "bold"),
        f"{found} events in {len(entries)} signed batches, entries {', '.join(entries)} of the ledger",
    )
    for uid in story["missing"]:
        screen.line("  ", ("missing from the store: ", "red"), uid)
    for batch in story["batches"]:
        if batch.get("contested"):
            screen.line(
                "  ", (f"entry {batch['ledger_index']} is contested: its agent signed two versions", "red")
            )
    if checked is None:
        return
    style = {"verified": "bold green", "consistent, not anchored": "green", "not checked": "yellow"}
    screen.line(
        "  ", (str(checked["status"]), style.get(str(checked["status"]), "bold red")), _meaning(checked)
    )
    for problem in checked.get("problems", ()):
        screen.line("  ", ("! ", "red"), problem)


def _meaning(checked: dict[str, Any]) -> str:
    if checked["status"] == "verified":
        return f": {checked['statements']} statements, against receipts the hosts hold"
    if checked["status"] == "consistent, not anchored":
        return (
            f": {checked['statements']} statements, their signatures, chains and proofs hold; "
            "--trust RECEIPTS checks them against the hosts"
        )
    return f": {checked['why']}" if "why" in checked else ""


def _next(screen: Screen, story: dict[str, Any]) -> None:
    alert = story["alert"]
    commands = [f"vedette tree {event['event']}" for event in story["events"][-1:] if "pid" in event]
    if "session" in alert:
        commands.append(f"vedette session {alert.get('host', alert['agent'])} {alert['session']}")
    if story.get("incident"):
        commands.insert(0, f"vedette show {story['incident']}")
    commands.append(f"vedette explain {alert['id'][:12]}")
    commands.append(f"vedette baseline --alert {alert['id'][:12]}")
    commands.append(f"vedette export --format bundle --alert {alert['id'][:12]} --out FILE")
    screen.line("")
    for command in commands:
        screen.line((f"  {command}", "dim"))


COMMAND = Command("show", "tell the story of an alert or an incident", _run, _arguments)
