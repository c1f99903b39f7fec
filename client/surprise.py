"""How seldom what an incident tells is found: the reasons why it stands where it does in a ranked list."""

from __future__ import annotations

from typing import Any

from .screen import Part, Screen
from .text import size

_BIT = 1000


def bits(surprise: int) -> str:
    """Return a surprise (thousandths of a bit) in bits."""
    return f"{surprise / _BIT:.1f}"


def show(screen: Screen, incident: dict[str, Any]) -> None:
    """Write by what an incident is ranked: each rule, and on how many person-days before it found as much."""
    found = incident.get("unusual", [])
    if not found:
        return
    screen.line("")
    screen.line(
        ("surprise", "bold"), f"  {bits(incident['surprise'])} bits, by how seldom this was found before"
    )
    screen.table(
        ("bits", "tactic", "rule found", "of this person", "of the same work", "of anybody else"),
        [_cells(one) for one in found],
        right=("bits",),
    )


def _cells(one: dict[str, Any]) -> list[Part]:
    much = f", {size(one['bytes'])} or more" if one["bytes"] else ""
    by = f" with {one['by']}" if one["by"] else ""
    place = ", to where others sent before" if one["shared"] else ""
    return [
        bits(one["bits"]),
        one["tactic"] or "-",
        f"{one['rule']}{by}{much}{place}",
        f"on {one['own']} of {one['days']} days",
        f"{one['same']} times",
        f"{one['others']} times, {one['people']} people",
    ]
