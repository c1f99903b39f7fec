"""Losses that name statements of a chain, as a host signs them: which lane, and which numbers. Pure."""

from __future__ import annotations

import re
from typing import cast

import msgspec

from .kind import Lane
from .statement import Loss

RESTORED = "log_restored"
"""The ledger was restored from a backup; with a lane and numbers: statements it lacks, and the host too."""
_RANGE = re.compile(rf"{RESTORED} (priority|bulk) ([1-9][0-9]{{0,18}})-([1-9][0-9]{{0,18}})")


class Range(msgspec.Struct, frozen=True):
    """Statements first to last of a lane."""

    lane: Lane
    first: int
    last: int


def lost_by_restore(loss: Loss) -> Range | None:
    """Return the statements that a loss says a restored ledger lacks; None if it says something else."""
    match = _RANGE.fullmatch(loss.cause)
    if match is None or int(match[2]) > int(match[3]):
        return None
    return Range(cast("Lane", match[1]), int(match[2]), int(match[3]))
