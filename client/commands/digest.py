"""`vedette digest`: by rule what was found in a week, staged rules too, with budgets and labels of triage."""

from __future__ import annotations

import argparse
from typing import Any

from .. import http
from ..command import FINE, Call, Command, times
from ..screen import Part, Screen
from ..text import utc


def _arguments(parser: argparse.ArgumentParser) -> None:
    times(parser)


def _run(call: Call) -> int:
    told = http.connect(call).get("/v1/digest", begin=call.options.begin, end=call.options.end)
    if call.screen.as_json:
        call.screen.value(told)
    elif told["rows"]:
        _show(call.screen, told)
    else:
        call.screen.note("nothing was found in that time")
    return FINE


def _show(screen: Screen, told: dict[str, Any]) -> None:
    screen.line(f"{utc(told['since'])} to {utc(told['until'])}")
    for staged, title in ((True, "staged: alerts nobody"), (False, "live")):
        rows = [row for row in told["rows"] if row["staged"] == staged]
        if rows:
            screen.line()
            screen.line((title, "bold"))
            heads = ("rule", "alerts", "a day", "budget", "persons", "hosts", "labels", "the last one")
            screen.table(heads, [_cells(row) for row in rows], right=heads[1:6])
    if any(row["staged"] for row in told["rows"]):
        screen.note("let one alert: vedette rules live RULE --budget N --reason WHY")


def _cells(row: dict[str, Any]) -> list[Part]:
    over = "budget" in row and row["per_day"] > row["budget"]
    labels = ", ".join(f"{count} {label}" for label, count in sorted(row.get("labels", {}).items()))
    return [
        (row["rule"], "bold"),
        str(row["alerts"]),
        (f"{row['per_day']:.2f}", "bold red" if over else ""),
        str(row.get("budget", "")),
        str(row["persons"]),
        str(row["hosts"]),
        labels,
        (row["example"], "dim"),
    ]


COMMAND = Command("digest", "what each rule found in a week, staged ones too", _run, _arguments)
