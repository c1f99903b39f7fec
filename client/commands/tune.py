"""`vedette tune`: what a rule would have told with other values of a parameter, before one is set."""

from __future__ import annotations

import argparse
from typing import Any

from .. import http
from ..command import FINE, Call, Command
from ..describe import badge
from ..errors import ClientError
from ..screen import Part, Screen
from ..text import utc

_RANKS = ("person", "group", "role", "label")
_WIDTH = 40
_SHOWN = 5


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", help="the rule, as `vedette rules` lists it")
    parser.add_argument(
        "--set", dest="value", metavar="NAME=VALUE", help="the parameter, and the value asked about"
    )
    parser.add_argument(
        "--parameter", metavar="NAME", help="instead of --set: only the curve around the present value"
    )
    parser.add_argument("--grid", metavar="A,B,C", help="values to compare with, instead of some around it")
    parser.add_argument("--since", default="30d", metavar="TIME", help="history to try it on (30d)")
    parser.add_argument("--until", default="now", metavar="TIME", help="its end (now)")
    parser.add_argument(
        "--budget", type=float, metavar="N", help="recommend a value for at most N alerts a day"
    )
    for rank in _RANKS:
        parser.add_argument(f"--{rank}", metavar=rank.upper(), help=f"only for this {rank}")
    parser.add_argument(
        "--apply", action="store_true", help="set the value asked about, or else the recommended one"
    )
    parser.add_argument("--reason", help="with --apply: why, for whoever reads it later")


def _run(call: Call) -> int:
    options = call.options
    if options.apply and not options.reason:
        raise ClientError("--apply needs --reason WHY")
    name, _, value = (options.value or "").partition("=")
    name = options.parameter or name
    if not name or (options.value and not value):
        raise ClientError("type: vedette tune RULE --set NAME=VALUE, or --parameter NAME")
    scope = {rank: at for rank in _RANKS if (at := getattr(options, rank)) is not None}
    wanted: dict[str, Any] = {"rule": options.rule, "name": name, "scope": scope, "since": options.since}
    wanted |= {"until": options.until, "grid": options.grid.split(",") if options.grid else []}
    wanted |= {"value": value} if value else {}
    wanted |= {"budget": options.budget} if options.budget is not None else {}
    api = http.connect(call)
    if call.screen.interactive:
        call.screen.note("trying it on what is stored")
    tuned = api.post("/v1/tune", wanted)
    if call.screen.as_json:
        call.screen.value(tuned)
    else:
        _show(call.screen, tuned)
    return _apply(call, api, tuned, scope) if options.apply else FINE


def _apply(call: Call, api: http.Api, tuned: dict[str, Any], scope: dict[str, str]) -> int:
    """Set what was asked about or recommended."""
    value = tuned.get("wanted", tuned.get("recommended"))
    if value is None:
        raise ClientError("nothing to apply: no value of these fits the budget; try --grid with others")
    about = tuned["parameter"]
    body = {"name": about["name"], "value": str(value), "scope": scope, "reason": call.options.reason}
    made = api.post(f"/v1/rules/{about['rule']}/parameters", body)
    standing = "proposed" if made["proposed"] else "in force" if made["in_force"] else "recorded"
    call.screen.note(f"{about['rule']} {about['name']} = {value}: {standing} ({made['id']})")
    return FINE


def _show(screen: Screen, tuned: dict[str, Any]) -> None:
    about = tuned["parameter"]
    screen.line((about["rule"], "bold"), f"  {about['name']}, in {about['unit']}")
    screen.line((f"  {about['why']}", "dim"))
    begin, end = utc(tuned["since"]), utc(tuned["until"])
    screen.line(
        f"  {tuned['days']} days, {begin} to {end}: {tuned['events']} events in {tuned['seconds']} s",
        ("", ""),
    )
    screen.line()
    most = max((point["high"] for point in tuned["points"]), default=0) or 1
    heads = ("value", "alerts a day", "95 % of months", "")
    screen.table(heads, [_point(point, tuned, most) for point in tuned["points"]], right=heads[:2])
    if not any(any(point["by_day"]) for point in tuned["points"]):
        screen.note("none of these values would have found anything in that time")
    elif not tuned["alerting"]:
        screen.note("its findings are below medium: they add to risk and alert nobody")
    for key, word in (("gained", "more"), ("lost", "fewer")):
        if key in tuned and tuned[key]["count"]:
            _changed(screen, tuned[key], word)
    if tuned.get("budget") is not None:
        best = tuned.get("recommended")
        told = "no value here gives so few" if best is None else f"{about['name']} = {best}"
        screen.line(f"for a budget of {tuned['budget']:g} a day: ", (told, "bold"))


def _point(point: dict[str, Any], tuned: dict[str, Any], most: float) -> list[Part]:
    value = point["value"]
    marks = [
        word
        for word, other in (
            ("now", tuned["current"]),
            ("asked", tuned.get("wanted")),
            ("recommended", tuned.get("recommended")),
        )
        if other == value
    ]
    bar = "█" * round(_WIDTH * point["mean"] / most)
    reach = "─" * (round(_WIDTH * point["high"] / most) - len(bar))
    return [
        (str(value), "bold" if marks else ""),
        f"{point['mean']:.2f}",
        f"{point['low']:.2f} to {point['high']:.2f}",
        f"{bar}{reach} {', '.join(marks)}",
    ]


def _changed(screen: Screen, changed: dict[str, Any], word: str) -> None:
    labels = ", ".join(f"{count} {label}" for label, count in sorted(changed["labels"].items()))
    screen.line((f"{changed['count']} {word}", "bold"), f" than now{f' ({labels})' if labels else ''}")
    for one in changed["first"][:_SHOWN]:
        screen.line(
            "  ",
            (utc(one["time"]), "dim"),
            "  ",
            badge(one["severity"]),
            f"  {one['host']}  {one['summary']}",
        )


COMMAND = Command("tune", "see what a threshold would have done, then set it", _run, _arguments)
