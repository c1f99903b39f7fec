"""`vedette suppress`: hide findings that were judged, with a reason and an end; list and end that."""

from __future__ import annotations

import argparse
from typing import Any

from .. import http
from ..command import FINE, Call, Command
from ..errors import ClientError
from ..screen import Part, Screen
from ..text import utc

_SCOPES = {
    "rule": "findings of this rule",
    "person": "about this person",
    "host": "on hosts of this name, such as web-*, or label:NAME",
    "destination": "towards this address, network or name",
    "entity": "about this entity of the rule, as `show --json` has it",
}
_STYLES = {"active": "bold", "expired": "dim", "ended": "dim"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("add", "list", "end"), help="list shows ended ones too")
    parser.add_argument("id", nargs="?", help="with end: its id, or enough of its beginning")
    for name, meaning in _SCOPES.items():
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"with add: {meaning}")
    parser.add_argument("--reason", help="with add: why, for whoever reads it later")
    parser.add_argument("--expires", metavar="TIME", help="with add: until when: 7d, or a date")


def _run(call: Call) -> int:
    api, options = http.connect(call), call.options
    if options.what == "list":
        return _list(call.screen, api.get("/v1/suppressions")["rows"])
    if options.what == "end":
        return _end(call, api)
    if options.reason is None or options.expires is None:
        raise ClientError("type: vedette suppress add --rule RULE --person NAME --reason WHY --expires 7d")
    scope = {name: getattr(options, name) for name in _SCOPES if getattr(options, name) is not None}
    made = api.post(
        "/v1/suppressions", {"scope": scope, "reason": options.reason, "expires": options.expires}
    )
    if call.screen.as_json:
        call.screen.value(made)
    else:
        one = made["suppression"]
        call.screen.line((one["id"], "bold"), f"  hides {_scope(one)} until {utc(one['expires'])}")
    return FINE


def _end(call: Call, api: http.Api) -> int:
    if call.options.id is None:
        raise ClientError("which? `vedette suppress list` shows their ids")
    api.post(f"/v1/suppressions/{call.options.id}/end")
    call.screen.note(f"{call.options.id}: ended; what it hid is shown again")
    return FINE


def _list(screen: Screen, rows: list[dict[str, Any]]) -> int:
    if screen.as_json:
        for row in rows:
            screen.value(row)
    elif rows:
        screen.table(("id", "standing", "author", "until", "what", "reason"), [_cells(row) for row in rows])
    else:
        screen.note("nothing is suppressed")
    return FINE


def _cells(row: dict[str, Any]) -> list[Part]:
    one, standing = row["suppression"], row["standing"]
    return [
        (one["id"], "dim"),
        (standing, _STYLES[standing]),
        one["author"],
        utc(one["expires"] if one["ended"] is None else one["ended"]),
        _scope(one),
        one["reason"],
    ]


def _scope(one: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in one["scope"].items())


COMMAND = Command("suppress", "hide findings that were judged, until a time", _run, _arguments)
