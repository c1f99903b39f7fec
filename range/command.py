"""Runs scenarios as a user asks for it: on a ground of their own, and hands back a row for each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import marked
from .hosts import ground
from .scenario import Scenario, load

ALL = "all"


class RangeFailed(RuntimeError):
    """The scenarios could not be played; the message says why."""


def chosen(names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of these names or numbers, or every one.

    Raises:
        RangeFailed: there is none of a name.
    """
    known = load()
    if ALL in names:
        return list(known.values())
    unknown = set(names) - set(known) - {str(one.number) for one in known.values()}
    if unknown:
        raise RangeFailed(f"no scenario {min(unknown)!r}; `vedette range list` has them")
    return [one for one in known.values() if one.name in names or str(one.number) in names]


def run(
    scenarios: Sequence[Scenario], told: Callable[[dict[str, Any]], None], *, twins: int, keep: Path | None
) -> None:
    """Play scenarios, each twin so many times, and hand over their rows; what programs said goes to keep.

    Raises:
        NotARange: this host is none, or we are not root.
        RangeFailed: they could not be played.
    """
    marked.demand()
    words = [one.name for one in scenarios] + (["--keep", str(keep.resolve())] if keep is not None else [])
    command = ground.command("range.play", "--twins", str(twins), *words)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as playing:
        if playing.stdout is None:
            raise RangeFailed("its answers cannot be read")
        for line in playing.stdout:
            told(json.loads(line))
    if playing.returncode != 0:
        raise RangeFailed("the scenarios could not be played; the lines above say why")
