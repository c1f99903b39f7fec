"""How `vedette rules top` shows what rules cost: a table of rules, one of the views of Sigma rules."""

from __future__ import annotations

from typing import Any

from .screen import Part, Screen
from .text import utc

_STYLES = {"live": "", "staged": "yellow", "off": "dim"}
_HEAVY = 0.25


def show(screen: Screen, told: dict[str, Any]) -> None:
    """Write both tables; a rule that takes a quarter of all rules' time is red."""
    if not told["rows"]:
        screen.note("no rule was measured yet")
        return
    screen.line(f"{utc(told['since'])} to {utc(told['until'])}")
    heads = ("rule", "state", "shown", "findings", "us an event", "seconds", "of all", "what it finds")
    screen.table(heads, [_rule(row) for row in told["rows"]], right=heads[2:7])
    asked = [row for row in told["views"] if row["asked"]]
    if asked:
        screen.line()
        seen = ("Sigma rules see", "rules", "asked", "from memory")
        screen.table(seen, [_view(row) for row in asked], right=seen[1:])
    screen.note("one event in 251 is measured, of Sigma rules each look")


def _rule(row: dict[str, Any]) -> list[Part]:
    return [
        (row["rule"], "bold"),
        (row["state"], _STYLES[row["state"]]),
        str(row["shown"]),
        str(row["findings"]),
        "" if row["each"] is None else f"{row['each']:.2f}",
        f"{row['seconds']:.2f}",
        (f"{row['share']:.1%}", "bold red" if row["share"] >= _HEAVY else ""),
        row["title"],
    ]


def _view(row: dict[str, Any]) -> list[Part]:
    return [row["view"], str(row["rules"]), str(row["asked"]), f"{row['hit_rate']:.1%}"]
