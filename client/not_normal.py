"""Why an alert was not normal, line by line: its bytes, destination, hour and host beside the days before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .describe import badge
from .screen import Part, Screen
from .text import size, utc

Told = Mapping[str, Any]
_UNUSUAL = 3.5
"""As the rules have it: a robust z from which on a volume is unusual."""
_DATE = 10


def show(screen: Screen, told: Told) -> None:
    """Write the lines on an answer's alert."""
    why = told["why"]
    screen.line(badge(why["severity"]), "  ", (why["rule"], "bold"), f"  {utc(why['time'])}")
    screen.line(f"  {why['summary']}")
    screen.line()
    rows = [*_bytes(told, why), *_destination(told, why), _hour(told, why), _host(told, why)]
    screen.table(("", "this time", "before its day"), rows)


def _bytes(told: Told, why: Told) -> list[tuple[Part, ...]]:
    if "moved" not in why:
        return []
    before = why["before"]
    days = f"{before['days']} day{'' if before['days'] == 1 else 's'} with any"
    if before["days"]:
        days += f": median {size(before['median'])}, most {size(before['most'])}"
    rows: list[tuple[Part, ...]] = [("bytes", (size(why["moved"]), "bold"), days)]
    rows.append(
        ("", _score(why.get("z")), "among these days" if "z" in why else "fewer than seven days tell nothing")
    )
    if "peers" in told:
        few = f"only {why.get('peers', 0)} of them moved anything, which tells nothing"
        rows.append(
            (
                "",
                _score(why.get("peers_z")),
                f"among the days of {told['peers']['same']}" if "peers_z" in why else few,
            )
        )
    return rows


def _score(z: float | None) -> Part:
    if z is None:
        return "z unknown"
    return f"z {z:.1f}", "bold red" if z >= _UNUSUAL else ""


def _destination(told: Told, why: Told) -> list[tuple[Part, ...]]:
    if "destination" not in why:
        return []
    own = told.get("person", told.get("host", ""))
    if "first_here" in why:
        used = (
            f"{own} used it on {why.get('destination_days', 0)} days, first {utc(why['first_here'])[:_DATE]}"
        )
    elif "first_anywhere" in why:
        used = f"new for {own}; others since {utc(why['first_anywhere'])[:_DATE]}"
    else:
        used = "nobody ever used it"
    others = why.get("others", 0)
    if others:
        used += f"; {others} other person{'' if others == 1 else 's'} did"
    return [("destination", (why["destination"], "bold"), used)]


def _hour(told: Told, why: Told) -> tuple[Part, ...]:
    usual = {True: ", within the hours told", False: ", outside the hours told", None: ""}
    said = f"{why['hour']:02}h {told['hours']['clock']}{usual[why.get('within_hours')]}"
    return "hour", (said, "bold"), f"active in this hour on {why['hour_days']} of {told['active_days']} days"


def _host(told: Told, why: Told) -> tuple[Part, ...]:
    days = why.get("host_days", 0)
    before = f"there on {days} of {told['active_days']} days" if days else "never there"
    return "host", (why.get("host", "-"), "bold"), before if "person" in told else f"active on {days} days"
