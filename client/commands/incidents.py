"""`vedette incidents`: the stories: who, on which hosts, how much left, how bad."""

from __future__ import annotations

import argparse

from .. import http, surprise
from ..command import FINE, Call, Command, limit, times
from ..describe import SEVERITY_STYLES, badge
from ..listing import Row, listed
from ..screen import Part, Screen
from ..text import size, utc

_LISTED = 4


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--severity", choices=tuple(reversed(SEVERITY_STYLES)), help="this one or higher")
    parser.add_argument("--person", metavar="NAME")
    parser.add_argument("--host", metavar="HOST", help="a host it reached")
    parser.add_argument("--suppressed", action="store_true", help="also with what a suppression hides")
    parser.add_argument(
        "--by",
        choices=("time", "surprise"),
        help="surprise: first what is found most seldom, not what is newest",
    )
    times(parser)
    limit(parser, 50)


def _run(call: Call) -> int:
    options = call.options
    answer = http.connect(call).get(
        "/v1/incidents",
        begin=options.begin,
        end=options.end,
        severity=options.severity,
        person=options.person,
        host=options.host,
        suppressed=options.suppressed or None,
        order=options.by,
        limit=options.limit,
    )
    rows = listed(
        call.screen,
        answer,
        _table,
        nothing="no incidents; widen --from, or see what was found at all: vedette alerts --all",
    )
    if rows and not call.screen.as_json:
        if answer.get("cut"):
            call.screen.note("somebody has more alerts than are read at once: the oldest are not told")
        call.screen.note(f"the story of one: vedette show {rows[-1]['id']}")
    return FINE


def _table(screen: Screen, rows: list[Row]) -> None:
    heads = ("last", "severity", "surprise", "person", "hosts", "bytes out", "findings", "id", "what")
    screen.table(heads, [_cells(row) for row in rows], right=("surprise", "bytes out", "findings"))


def _cells(row: Row) -> list[Part]:
    hosts = row["hosts"]
    more = f" +{len(hosts) - _LISTED}" if len(hosts) > _LISTED else ""
    titles = dict.fromkeys(entry["title"] for entry in row["timeline"])
    return [
        (utc(row["end"]), "dim"),
        badge(row["severity"]),
        surprise.bits(row["surprise"]) if row.get("surprise") else "-",
        (who(row), "bold"),
        " → ".join(hosts[:_LISTED]) + more,
        size(row["bytes_out"]) if row["bytes_out"] else "-",
        str(len(row["timeline"])),
        (row["id"], "dim"),
        "; ".join(titles),
    ]


def who(incident: Row) -> str:
    """Return the person and the ways they are known."""
    return f"{incident['person']} ({', '.join(incident['how'])})" if incident.get("person") else "-"


COMMAND = Command("incidents", "list incidents: one person's findings as a story", _run, _arguments)
