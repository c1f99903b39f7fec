"""`vedette alerts`: what was found; with --follow each new alert within a second of its decision."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from .. import http
from ..command import FINE, Call, Command, limit, times
from ..describe import SEVERITY_STYLES, badge
from ..errors import Refusal, Unreachable
from ..screen import Part, Screen
from ..text import size, utc
from .triage import standing

_WAIT_SECONDS = 25
_RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
_SHORT = 12


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="*", help="a search over the alerts, such as destination:203.0.113.*")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with each new alert until Ctrl-C")
    parser.add_argument("--all", action="store_true", help="also informational and low ones")
    parser.add_argument("--staged", action="store_true", help="those of rules that are only tried")
    parser.add_argument("--suppressed", action="store_true", help="also what a suppression hides, with why")
    parser.add_argument("--severity", choices=tuple(reversed(SEVERITY_STYLES)), help="this one or higher")
    parser.add_argument("--person", metavar="NAME")
    parser.add_argument("--host", metavar="HOST")
    times(parser)
    limit(parser, 50)


def _run(call: Call) -> int:
    options = call.options
    api = http.connect(call)
    filters = {
        "query": " ".join(options.query) or None,
        "severity": options.severity,
        "all": options.all or None,
        "staged": options.staged or None,
        "suppressed": options.suppressed or None,
        "person": options.person,
        "host": options.host,
    }
    first = api.get("/v1/alerts", begin=options.begin, end=options.end, limit=options.limit, **filters)
    rows = list(reversed(first["rows"]))
    if options.follow:
        for row in rows:
            _one(call.screen, row)
        for row in _follow(call.screen, api, first["cursor"], filters):
            _one(call.screen, row)
    elif call.screen.as_json:
        for row in rows:
            call.screen.value(row)
    else:
        _table(call.screen, rows, truncated=first["truncated"])
    return FINE


def _follow(screen: Screen, api: http.Api, cursor: str, filters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield alerts as they are decided; a collector that is away for a while is asked again."""
    if screen.interactive:
        screen.note("waiting for alerts; Ctrl-C ends it")
    failures = 0
    while True:
        try:
            answer = api.get("/v1/alerts", since=cursor, wait=_WAIT_SECONDS, **filters)
        except (Unreachable, Refusal) as error:
            if isinstance(error, Refusal) and error.retry_after is None:
                raise
            screen.note(f"{error}; trying again")
            time.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1
            continue
        failures = 0
        cursor = answer["cursor"]
        yield from answer["rows"]


def who(alert: dict[str, Any]) -> str:
    """Return the person and how we know, as every alert shows it."""
    return f"{alert['person']} ({alert['how']})" if "person" in alert else "-"


def _table(screen: Screen, rows: list[dict[str, Any]], *, truncated: bool) -> None:
    if not rows:
        screen.note(
            "no alerts; widen --from, see low ones with --all, or watch with: vedette alerts --follow"
        )
        return
    heads = ("time", "severity", "person", "host", "bytes out", "id", "what")
    screen.table(heads, [_cells(row) for row in rows], right=("bytes out",))
    if truncated:
        screen.note(f"only the newest {len(rows)}; see more with --limit or narrow it with --from and --to")
    screen.note(f"the story of one: vedette show {rows[-1]['id'][:_SHORT]}")


def _cells(row: dict[str, Any]) -> list[Part]:
    target = f"  → {row['destination']}" if "destination" in row else ""
    return [
        (utc(row["time"]), "dim"),
        badge(row["severity"]),
        (who(row), "bold"),
        str(row.get("host", "-")),
        size(row.get("bytes_out")),
        (row["id"][:_SHORT], "dim"),
        f"{row['title']}{target}{_more(row)}",
    ]


def _more(row: dict[str, Any]) -> str:
    """Return how many more of these were held back, and why it is suppressed."""
    more, by = row.get("details", {}).get("more"), row.get("suppressed")
    hidden = f"  suppressed by {by['author']}: {by['reason']}" if by else ""
    where = f"  [{standing(row['triage'])}]" if "triage" in row else ""
    return (f" ({more})" if more else "") + hidden + where


def _one(screen: Screen, row: dict[str, Any]) -> None:
    if screen.as_json:
        screen.value(row)
        return
    origin = f" from {row['person_source']}" if "person_source" in row else ""
    amount = f"  {size(row['bytes_out'])} out" if "bytes_out" in row else ""
    target = f" → {row['destination']}" if "destination" in row else ""
    update = (f"update {row['revision']}: ", "dim") if row.get("revision") else ""
    screen.line((utc(row["time"]), "dim"), "  ", badge(row["severity"]), "  ", update, (row["title"], "bold"))
    screen.line(
        " " * 22, (who(row), "bold"), origin, f" on {row.get('host', '-')}", amount, target,
        (f"  {row['id'][:_SHORT]}", "dim"),
    )  # fmt: skip


COMMAND = Command("alerts", "list alerts, or follow them as they arise", _run, _arguments)
