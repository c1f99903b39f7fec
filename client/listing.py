"""Answers that are lists, the newest last: as JSON a value each, else as the command shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .screen import Screen

Row = Mapping[str, Any]


def listed(
    screen: Screen, answer: Mapping[str, Any], show: Callable[[Screen, list[Row]], None], *, nothing: str
) -> list[Row]:
    """Write an answer's rows, which come newest first, and say where there are none, or more; return them."""
    rows: list[Row] = list(reversed(answer["rows"]))
    if screen.as_json:
        for row in rows:
            screen.value(row)
    elif not rows:
        screen.note(nothing)
    else:
        show(screen, rows)
        if answer["truncated"]:
            screen.note(f"only the newest {len(rows)}; narrow it with --from and --to, or raise --limit")
    return rows
