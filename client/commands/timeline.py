"""`vedette timeline`: what a person did, or what happened on a host, in order."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .. import chain, describe, http
from ..command import FINE, Call, Command, limit, times
from ..errors import ClientError
from ..screen import Screen
from ..text import utc

_DATE = 10


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--person", metavar="NAME", help="what this person did, on all hosts")
    parser.add_argument("--host", metavar="HOST", help="what happened on this host")
    parser.add_argument("--all", action="store_true", help="also exits, heartbeats and interim reports")
    times(parser)
    limit(parser, 500)


def _run(call: Call) -> int:
    options = call.options
    if options.person is None and options.host is None:
        raise ClientError("whose? type: vedette timeline --person NAME, or --host HOST")
    answer = http.connect(call).get(
        "/v1/timeline",
        person=options.person,
        host=options.host,
        all=options.all or None,
        begin=options.begin,
        end=options.end,
        limit=options.limit,
    )
    rows = answer["rows"]
    if call.screen.as_json:
        for row in rows:
            call.screen.value(row)
        return FINE
    if not rows:
        call.screen.note("nothing is known of that; widen --from, or see who there is: vedette status")
    lines(call.screen, rows, person=options.person is None, host=True)
    if answer["truncated"]:
        call.screen.note(f"only the newest {len(rows)}; narrow it with --from and --to, or raise --limit")
    return FINE


def lines(screen: Screen, rows: Sequence[describe.Event], *, person: bool, host: bool) -> None:
    """Write events as lines under their dates; person and host say which of the two columns are needed."""
    day = ""
    hosts = max((len(str(row.get("host", "-"))) for row in rows), default=0)
    people = max((len(describe.who(row)) for row in rows), default=0)
    for row in rows:
        stamp = utc(row.get("time"), digits=3)
        if stamp[:_DATE] != day:
            day = stamp[:_DATE]
            screen.line((day, "bold underline"))
        kind = str(row.get("kind", "-"))
        screen.line(
            ("  " + stamp[_DATE + 1 :], "dim"),
            f"  {row.get('host', '-')!s:<{hosts}}" if host else "",
            f"  {describe.who(row):<{people}}" if person else "",
            "  ",
            (f"{kind:<18}", describe.style(kind)),
            " ",
            describe.what(row),
            (_reached(row), "dim"),
        )


def _reached(row: describe.Event) -> str:
    """Return by which sessions a login was reached, where it was by any."""
    if row.get("kind") not in ("login.accepted", "session.open") or not row.get("chain"):
        return ""
    here = f"{row.get('user_name', '-')}@{row.get('host', '-')}"
    return f"  reached by {chain.path(row['chain'], here)}"


COMMAND = Command("timeline", "show what a person or a host did, in order", _run, _arguments)
