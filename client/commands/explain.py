"""`vedette explain`: condition by condition, why a rule fired on an event or did not."""

from __future__ import annotations

import argparse
from typing import Any

from .. import http
from ..command import FINE, Call, Command
from ..errors import ClientError
from ..screen import Part, Screen

_MARKS: dict[bool | None, Part] = {True: ("yes", "green"), False: ("no", "bold red"), None: ("-", "dim")}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="ALERT_OR_RULE", help="an alert's id, or a rule's with --event")
    parser.add_argument("--event", metavar="UID", help="the event, as agent:epoch:number")


def _run(call: Call) -> int:
    options = call.options
    is_rule = "-" in options.what
    if is_rule and options.event is None:
        raise ClientError(f"on which event? type: vedette explain {options.what} --event AGENT:EPOCH:NUMBER")
    asked = {"rule": options.what} if is_rule else {"alert": options.what}
    told = http.connect(call).get("/v1/explain", **asked, event=options.event)
    if call.screen.as_json:
        call.screen.value(told)
    else:
        _tell(call.screen, told)
    return FINE


def _tell(screen: Screen, told: dict[str, Any]) -> None:
    verdict: Part = ("fires", "bold green") if told["fires"] else ("does not fire", "bold red")
    screen.line((told["rule"], "bold"), " ", verdict, f" on {told['event']}")
    if "summary" in told:
        screen.line("  ", told["summary"])
    screen.line("  ", (f"it finds, for example: {told['about']}", "dim"))
    screen.line("")
    rows = [
        (_MARKS[one.get("holds")], one["text"], one["value"], one.get("limit", ""))
        for one in told["conditions"]
    ]
    screen.table(("holds", "condition", "here", "limit"), rows)
    screen.line("")
    events = "1 event" if told["window"] == 1 else f"{told['window']} events"
    screen.note(f"judged on {events} of this session")
    for note in told.get("notes", ()):
        screen.note(note)


COMMAND = Command("explain", "say why a rule fired on an event, or did not", _run, _arguments)
