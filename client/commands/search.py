"""`vedette search`: events that fit a query, such as ``user:alice AND process.cmd_line:*scp*``."""

from __future__ import annotations

import argparse

from rich.text import Text

from .. import describe, http
from ..command import FINE, Call, Command, limit, times
from ..listing import listed
from ..screen import Part, Screen
from ..text import utc


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="*", help="such as: user:alice AND process.cmd_line:*scp*")
    parser.add_argument("--fields", action="store_true", help="list the names a query may use")
    times(parser)
    limit(parser, 100)


def _run(call: Call) -> int:
    api, options = http.connect(call), call.options
    if options.fields:
        return _fields(call.screen, api)
    query = " ".join(options.query)
    answer = api.get("/v1/search", query=query, begin=options.begin, end=options.end, limit=options.limit)
    listed(
        call.screen,
        answer,
        events,
        nothing="nothing fits; `vedette search --fields` lists the names a query may use",
    )
    return FINE


def events(screen: Screen, rows: list[describe.Event], *, uids: bool = False) -> None:
    """Write events as a table, one line each; with uids also their names."""
    heads = ("time", "host", "person", "kind", *(("event",) if uids else ()), "what")
    screen.table(heads, [_cells(row, uids=uids) for row in rows])


def _cells(row: describe.Event, *, uids: bool) -> list[Part | Text]:
    kind = str(row.get("kind", "-"))
    name: list[Part | Text] = [(short(str(row["event"])), "dim")] if uids else []
    return [
        (utc(row.get("time"), digits=3), "dim"),
        str(row.get("host", "-")),
        describe.who(row),
        (kind, describe.style(kind)),
        *name,
        describe.what(row),
    ]


def short(uid: str) -> str:
    """Return an event's uid with its agent's id shortened."""
    agent, _, rest = uid.partition(":")
    return f"{agent[:8]}…:{rest}"


def _fields(screen: Screen, api: http.Api) -> int:
    answer = api.get("/v1/fields")
    if screen.as_json:
        screen.value(answer)
        return FINE
    screen.table(
        ("field", "kind", "column"),
        [(field["name"], field["kind"], " or ".join(field["columns"])) for field in answer["fields"]],
    )
    words = ", ".join(answer["free_text"])
    screen.note(f"a word without a field is looked for in: {words}; text:*word* looks through all")
    return FINE


COMMAND = Command("search", "find events by fields, words and times", _run, _arguments)
