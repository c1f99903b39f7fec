"""`vedette baseline`: what is normal for a person, a host or a pair, and why an alert was not."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from .. import http, not_normal
from ..command import FINE, Call, Command, times
from ..errors import ClientError
from ..screen import Part, Screen
from ..text import size, utc

Told = Mapping[str, Any]
_BARS = " ▁▂▃▄▅▆▇█"
_DATE = 10
_BYTES = ("days", "median", "MAD", "p95", "most")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("person", nargs="?", help="a person, as alerts and timelines name them")
    parser.add_argument("--host", metavar="HOST", help="a host, by its name or its agent's id")
    parser.add_argument(
        "--pair", nargs=2, metavar=("PERSON", "DESTINATION"), help="what a person sends to an address or name"
    )
    parser.add_argument("--alert", metavar="ID", help="what was normal before an alert, and why that was not")
    times(parser)
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="rows of each table at most (10)")


def _run(call: Call) -> int:
    options = call.options
    given = [one for one in (options.person, options.host, options.pair, options.alert) if one is not None]
    if len(given) != 1:
        raise ClientError(
            "type: vedette baseline PERSON, or --host HOST, --pair PERSON DESTINATION, --alert ID"
        )
    person, destination = options.pair or (options.person, None)
    told = http.connect(call).get(
        "/v1/baseline",
        person=person,
        destination=destination,
        host=options.host,
        alert=options.alert,
        begin=options.begin,
        end=options.end,
        limit=options.limit,
    )
    if call.screen.as_json:
        call.screen.value(told)
        return FINE
    if "why" in told:
        not_normal.show(call.screen, told)
        call.screen.line()
    _show(call.screen, told)
    return FINE


def _show(screen: Screen, told: Told) -> None:
    _head(screen, told)
    if not told["active_days"]:
        screen.note("nothing is stored from these days: all that came after is new")
        return
    screen.line()
    _bytes(screen, told)
    for key, title in (("hosts", "host"), ("persons", "person"), ("programs", "program")):
        if told.get(key):
            screen.line()
            screen.table(
                (title, "days", "times", "first", "last"), map(_used, told[key]), right=("days", "times")
            )
    if told["places"]:
        screen.line()
        heads = ("last", *_BYTES, "came in", "opened by", "other end")
        screen.table(heads, [_place(one) for one in told["places"]], right=(*_BYTES, "came in"))
    if told.get("truncated"):
        screen.note("not all is counted: narrow it with --from")


def _head(screen: Screen, told: Told) -> None:
    about = told.get("person", told.get("host", "nobody"))
    to = f" to {told['destination']}" if "destination" in told else ""
    begin, end = utc(told["since"])[:_DATE], utc(told["until"])
    days = told["active_days"]
    screen.line(
        (f"{about}{to}", "bold"), f": active on {days} day{'' if days == 1 else 's'}, {begin} to {end}"
    )
    hours = told["hours"]
    if days:
        most = max(hours["days"]) or 1
        bars = "".join(_BARS[-(-one * (len(_BARS) - 1) // most)] for one in hours["days"])
        usual = f"; told: {hours['told'][0]:02} to {hours['told'][1]:02}" if "told" in hours else ""
        screen.line(f"hours 00 │{bars}│ 23  {hours['clock']}{usual}")


def _bytes(screen: Screen, told: Told) -> None:
    """Write how the bytes of days lie, with those of peers beside."""
    rows: list[Sequence[Part]] = []

    if "destination" in told:
        words = (("sent", "sent there"), ("fetched", "left over connections from there"))
    else:
        words = (("sent", "sent outside"), ("fetched", "left over connections to here"))
    for key, title in words:
        rows.append((*_spread(told[key]), (f"{title}, a day", "bold")))
        peers = told.get("peers")
        if peers is not None:
            rows.append(
                (*_spread(peers[key]), f"  {peers['active']} of {peers['people']} others of {peers['same']}")
            )
    screen.table((*_BYTES, "bytes"), rows, right=_BYTES)


def _spread(spread: Told) -> tuple[str, ...]:
    if not spread["days"]:
        return "0", "-", "-", "-", "-"
    return (str(spread["days"]), *(size(spread[key]) for key in ("median", "mad", "p95", "most")))


def _used(one: Told) -> list[Part]:
    first, last = utc(one["first"])[:_DATE], utc(one["last"])[:_DATE]
    return [(one["name"], "bold"), str(one["days"]), str(one["events"]), first, last]


def _place(one: Told) -> list[Part]:
    address = f" ({one['address']})" if one["address"] != one["name"] else ""
    use = f" [{one['use']}]" if "use" in one else ""
    who = "the host" if one["direction"] == "out" else "the other end"
    last = utc(one["last"])[:_DATE]
    return [last, *_spread(one["out"]), size(one["into"]), who, (f"{one['name']}{address}{use}", "bold")]


COMMAND = Command(
    "baseline", "what is normal for a person, host or pair, and why an alert was not", _run, _arguments
)
