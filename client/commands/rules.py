"""`vedette rules`: rules, parameters, costs; set a parameter, try a rule or rest it, with the reason."""

from __future__ import annotations

import argparse
from typing import Any

from .. import http, rule_costs
from ..command import FINE, Call, Command
from ..describe import badge
from ..errors import ClientError
from ..screen import Part, Screen
from ..text import utc

_RANKS = {
    "person": "this person",
    "group": "persons of this group",
    "role": "persons of this role",
    "label": "hosts of this label",
}
_STATES = {"live": "live", "stage": "staged", "rest": "off"}
_STYLES = {"live": "", "staged": "yellow", "off": "dim"}
_USAGE = {
    "show": "vedette rules show RULE",
    "set": "vedette rules set RULE NAME=VALUE --reason WHY",
    "unset": "vedette rules unset ID --reason WHY",
    "stage": "vedette rules stage RULE --reason WHY",
    "live": "vedette rules live RULE --reason WHY [--budget N]",
    "rest": "vedette rules rest RULE --reason WHY",
    "approve": "vedette rules approve ID --reason WHY",
    "reject": "vedette rules reject ID --reason WHY",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="list", choices=("list", "top", *_USAGE))
    parser.add_argument("id", nargs="?", help="a rule; with unset a setting, to approve a proposal")
    parser.add_argument("value", nargs="?", metavar="NAME=VALUE", help="with set: the parameter's new value")
    for rank, meaning in _RANKS.items():
        parser.add_argument(f"--{rank}", metavar=rank.upper(), help=f"with set: only for {meaning}")
    parser.add_argument("--reason", help="why, for whoever reads it later")
    parser.add_argument("--budget", type=int, metavar="N", help="with live: alerts a day it may give")


def _run(call: Call) -> int:
    api, options = http.connect(call), call.options
    if options.what == "list":
        return _list(call.screen, api.get("/v1/rules"))
    if options.what == "top":
        return _top(call.screen, api.get("/v1/rules/top"))
    if options.id is None or (options.what != "show" and not options.reason):
        raise ClientError(f"type: {_USAGE[options.what]}")
    if options.what == "show":
        return _show(call.screen, api.get("/v1/rules", rule=options.id)["rows"][0])
    return _told(call, _decide(api, options))


def _decide(api: http.Api, options: argparse.Namespace) -> dict[str, Any]:
    """Send what was decided, and return the answer."""
    path, body = _request(options)
    answer: dict[str, Any] = api.post(path, body | {"reason": options.reason})
    return answer


def _request(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Return where a decision is sent, and what it says besides the reason."""
    if options.what == "set":
        name, equals, value = (options.value or "").partition("=")
        if not equals:
            raise ClientError(f"type: {_USAGE['set']}")
        scope = {rank: at for rank in _RANKS if (at := getattr(options, rank)) is not None}
        wanted = {"name": name, "value": value, "scope": scope}
        return f"/v1/rules/{options.id}/parameters", wanted
    if options.what == "unset":
        return f"/v1/rules/settings/{options.id}/end", {}
    if options.what in _STATES:
        budget = {} if options.budget is None else {"budget": options.budget}
        return f"/v1/rules/{options.id}/state", {"state": _STATES[options.what]} | budget
    return f"/v1/rules/proposals/{options.id}?answer={options.what}", {}


def _told(call: Call, answer: dict[str, Any]) -> int:
    if call.screen.as_json:
        call.screen.value(answer)
    elif answer["proposed"]:
        call.screen.note(f"proposed; another approves it: vedette rules approve {answer['id']} --reason WHY")
    elif answer["in_force"]:
        call.screen.note(f"{answer['id']}: {_done(call.options)}")
    else:
        call.screen.note(f"{answer['id']}: recorded; it is in force as soon as the pipeline has read it")
    return FINE


def _done(options: argparse.Namespace) -> str:
    """Return what is so from now on."""
    if options.what == "stage":
        return "staged; what it finds: vedette alerts --staged"
    if options.what in _STATES:
        return _STATES[options.what]
    return {"unset": "no longer in force", "reject": "rejected"}.get(options.what, "in force")


def _list(screen: Screen, answer: dict[str, Any]) -> int:
    if screen.as_json:
        for row in answer["rows"]:
            screen.value(row)
        return FINE
    heads = ("rule", "state", "severity", "set", "what it finds")
    screen.table(heads, [_cells(row) for row in answer["rows"]])
    for one in answer["proposals"]:
        act = one["act"]
        what = f"{act['verb']} {act['object']} by {act['user']}: {act['reason']}"
        screen.note(f"waits for approval: {one['id']} {what}")
    screen.note("the parameters of one: vedette rules show RULE")
    return FINE


def _cells(row: dict[str, Any]) -> list[Part]:
    settings = sum(len(one.get("settings", ())) for one in row.get("parameters", ()))
    return [
        (row["id"], "bold"),
        (row["state"], _STYLES[row["state"]]),
        badge(row["severity"]),
        str(settings or ""),
        row["title"],
    ]


def _top(screen: Screen, answer: dict[str, Any]) -> int:
    if screen.as_json:
        screen.value(answer)
    else:
        rule_costs.show(screen, answer)
    return FINE


def _show(screen: Screen, row: dict[str, Any]) -> int:
    if screen.as_json:
        screen.value(row)
        return FINE
    screen.line((row["id"], "bold"), "  ", badge(row["severity"]), f"  {row['title']}")
    if (standing := row.get("standing")) is not None:
        budget = f", at most {standing['budget']} alerts a day" if "budget" in standing else ""
        since = f"since {utc(standing['time'])} by {standing['author']}: {standing['reason']}"
        screen.line(f"{standing['state']}{budget} {since}")
    for one in row.get("parameters", ()):
        _parameter(screen, one)
    return FINE


def _parameter(screen: Screen, one: dict[str, Any]) -> None:
    about, value = one["parameter"], one["value"]
    span = f", {about['least']} to {about['most']}" if "least" in about else ""
    other = "" if value == about["default"] else f" (default {about['default']})"
    screen.line(f"  {about['name']} = ", (str(value), "bold"), f"{other}  {about['unit']}{span}")
    screen.line((f"      {about['why']}", "dim"))
    for setting in one.get("settings", ()):
        whom = ", ".join(f"{rank} {name}" for rank, name in setting.get("scope", {}).items()) or "everybody"
        screen.line(
            f"      {setting['value']} for {whom} by {setting['author']} on {utc(setting['time'])}: "
            f"{setting['reason']}",
            (f"  {setting['id']}", "dim"),
        )


COMMAND = Command("rules", "list rules and their parameters, and change them with a reason", _run, _arguments)
