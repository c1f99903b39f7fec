"""Which alerts an analyst is shown: those that no suppression hides, or all with what hides them."""

from __future__ import annotations

from typing import Any

import msgspec

from ..incidents import stories
from ..questions.fetch import Row
from ..verdicts import suppression
from ..verdicts.suppression import Suppression
from .endpoint import Call

SCANNED = 10_000
"""Alerts looked at where some may be hidden."""


def active(call: Call) -> list[Suppression]:
    """Return the suppressions that hide something now."""
    return call.services.suppressions.active(call.services.clock())


def shown(call: Call, rows: list[Row], hiding: list[Suppression], *, everything: bool) -> list[Row]:
    """Return rows of alerts without the hidden ones; with everything all, the hidden ones saying why."""
    rows = _triaged(call, rows)
    if not hiding:
        return rows
    known = call.services.site().known
    made: list[Row] = []
    for row in rows:
        by = suppression.hiding(hiding, stories.alert(row), known)
        if by is None:
            made.append(row)
        elif everything:
            made.append(row | {"suppressed": _why(by)})
    return made


def _triaged(call: Call, rows: list[Row]) -> list[Row]:
    """Return rows with where they stand, those of which anything was noted."""
    known = call.services.triages.standings()
    if not known:
        return rows
    standings = [known.get((row["rule"], row["entity"])) for row in rows]
    return [
        row if one is None else row | {"triage": msgspec.to_builtins(one)}
        for row, one in zip(rows, standings, strict=True)
    ]


def _why(by: Suppression) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(by)
    return {name: said[name] for name in ("id", "author", "reason", "expires")}
