"""An incident on a terminal: who and how we know, what happened in order, and what to do next."""

from __future__ import annotations

from typing import Any

from . import surprise
from .describe import HOW, badge
from .screen import Screen, styled
from .text import lasting, size, utc

_DATE = 10
_FILES = 12


def story(screen: Screen, told: dict[str, Any]) -> None:
    """Write an incident and what led to it."""
    incident = told["incident"]
    _headline(screen, incident)
    _facts(screen, incident)
    surprise.show(screen, incident)
    _places(screen, incident)
    _timeline(screen, incident)
    batches = [batch["ledger_index"] for batch in told["batches"]]
    screen.line("")
    screen.line(
        ("evidence  ", "bold"), f"{len(told['events'])} events in {len(batches)} signed batches of the ledger"
    )
    for uid in told["missing"]:
        screen.line("  ", ("not in the store: ", "yellow"), uid)
    _next(screen, incident)


def _headline(screen: Screen, incident: dict[str, Any]) -> None:
    severity, style = badge(incident["severity"])
    screen.line((f" {severity.upper()} ", style), "  ", (f"incident {incident['id']}", "bold"))
    screen.line("  ", incident["summary"])
    screen.line("")


def _facts(screen: Screen, incident: dict[str, Any]) -> None:
    ways = "; ".join(HOW.get(one, one) for one in incident["how"])
    facts = [("person", f"{incident['person']}, known by {ways}" if incident.get("person") else "not known")]
    if incident.get("source"):
        key = f", key {incident['fingerprint']}" if incident.get("fingerprint") else ""
        facts.append(("logged in from", f"{incident['source']}{key}"))
    facts.append(("hosts", " → ".join(incident["hosts"])))
    if incident["accounts"]:
        facts.append(("as", ", ".join(incident["accounts"])))
    lasted = incident["end"] - incident["begin"]
    until = f" to {utc(incident['end'])}, {lasting(lasted)}" if lasted else ""
    facts.append(("time", f"{utc(incident['begin'])}{until}"))
    facts += [
        (
            "to " + moved["destination"],
            f"{size(moved['bytes_out'])} out, {size(moved['bytes_in'])} in{_way(moved)}",
        )
        for moved in incident["moved"]
    ]
    if incident["techniques"]:
        facts.append(("ATT&CK", f"{', '.join(incident['techniques'])} ({', '.join(incident['tactics'])})"))
    if incident["files"]:
        more = f" and {len(incident['files']) - _FILES} more" if len(incident["files"]) > _FILES else ""
        facts.append(("files", ", ".join(incident["files"][:_FILES]) + more))
    if incident["risk"]:
        peak = max(point["points"] for point in incident["risk"])
        facts.append(("risk", f"{peak} points at most, {incident['risk'][-1]['points']} at the end"))
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        screen.show(styled((f"  {name:<{width}}  ", "dim"), (value, "bold" if name == "person" else "")))


def _way(moved: dict[str, Any]) -> str:
    """Return over which hosts bytes went, or on which of the person's hosts they stayed."""
    if moved.get("inside"):
        return f"; this is {moved['inside']}, a host on the way: it is not known that they left"
    return f", over {', '.join(moved['via'])}" if moved.get("via") else ""


def _places(screen: Screen, incident: dict[str, Any]) -> None:
    if len(incident["places"]) < 2:  # noqa: PLR2004 - one place is no way
        return
    screen.line("")
    screen.line(("the way", "bold"))
    for place in incident["places"]:
        session = f" session {place['session']}" if "session" in place else ""
        user = f" as {place['user']}" if "user" in place else ""
        how = f", {HOW.get(place['how'], place['how'])}" if "how" in place else ""
        screen.line(f"  {place['host']}{session}{user}", (how, "dim"))


def _timeline(screen: Screen, incident: dict[str, Any]) -> None:
    screen.line("")
    day = ""
    for entry in incident["timeline"]:
        stamp = utc(entry["time"], digits=3)
        if stamp[:_DATE] != day:
            day = stamp[:_DATE]
            screen.line((day, "bold underline"))
        screen.line(
            ("  " + stamp[_DATE + 1 :], "dim"),
            f"  {entry['host']}  ",
            badge(entry["severity"]),
            "  ",
            (entry["title"], "bold"),
            (f"  {entry['alert'][:12]}", "dim"),
        )
        screen.line(" " * 17, entry["what"])


def _next(screen: Screen, incident: dict[str, Any]) -> None:
    commands = [f"vedette show {incident['timeline'][-1]['alert'][:12]}"]
    commands += [
        f"vedette session {place['host']} {place['session']}"
        for place in incident["places"]
        if "session" in place
    ]
    if incident.get("person"):
        commands.append(f"vedette timeline --person {incident['person']!r} --from {utc(incident['begin'])}")
    commands.append(f"vedette explain {incident['timeline'][-1]['alert'][:12]}")
    screen.line("")
    for command in commands:
        screen.line((f"  {command}", "dim"))
