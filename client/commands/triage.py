"""`vedette triage`: whose an alert or incident is, where it stands, what it turned out to be; notes."""

from __future__ import annotations

import argparse
from typing import Any

from .. import http
from ..command import FINE, Call, Command
from ..screen import Screen
from ..text import utc

LABELS = ("true", "benign", "false")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="of an alert or an incident, or enough of its beginning")
    state = parser.add_mutually_exclusive_group()
    state.add_argument(
        "--ack", action="store_const", const="acknowledged", dest="state", help="somebody looks at it"
    )
    state.add_argument("--open", action="store_const", const="open", dest="state", help="open it again")
    state.add_argument("--close", choices=LABELS, help="it was what it seemed, real but allowed, or nothing")
    parser.add_argument("--assign", metavar="USER", help="whose it is from now on")
    parser.add_argument("--note", metavar="TEXT", help="what was found out")


def _run(call: Call) -> int:
    options = call.options
    said = {"state": options.state, "label": options.close, "assignee": options.assign, "note": options.note}
    wanted = {name: value for name, value in said.items() if value is not None}
    api, path = http.connect(call), f"/v1/triage/{options.id}"
    told = api.post(path, wanted) if wanted else api.get(path)
    if call.screen.as_json:
        call.screen.value(told)
    else:
        _show(call.screen, told)
    return FINE


def standing(one: dict[str, Any]) -> str:
    """Return where something stands, in a few words."""
    label = f" as {one['label']}" if "label" in one else ""
    assignee = f", {one['assignee']}" if "assignee" in one else ""
    return f"{one.get('state', 'open')}{label}{assignee}"


def _show(screen: Screen, told: dict[str, Any]) -> None:
    many = f"  ({told['findings']} findings)" if told["findings"] > 1 else ""
    screen.line((standing(told["standing"]), "bold"), many)
    for one in told["changes"]:
        said = standing(one) if {"state", "label", "assignee"} & set(one) else ""
        note = f"{': ' if said else ''}{one['note']}" if "note" in one else ""
        screen.line("  ", (utc(one["time"]), "dim"), f"  {one['author']}  {said}{note}")


COMMAND = Command("triage", "note whose an alert is and what it turned out to be", _run, _arguments)
