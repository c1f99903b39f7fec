"""How much is moved: sizes of files and pushes, by the settings' distributions."""

from __future__ import annotations

from random import Random

from . import draws
from .settings import Volumes


def file(draw: Random, volumes: Volumes, factor: float) -> float:
    """Return the bytes of a transfer of files by somebody with that factor."""
    if draw.random() < volumes.tail:
        return draws.pareto(draw, volumes.tail_least, volumes.tail_alpha, volumes.tail_most)
    return draws.lognormal(draw, volumes.file_median * factor, volumes.file_sigma)


def push(draw: Random, volumes: Volumes) -> float:
    """Return the bytes of a git push."""
    return 3000 + draws.lognormal(draw, volumes.push_median, volumes.push_sigma)


def output(draw: Random, volumes: Volumes) -> float:
    """Return what a terminal gets to show for one command."""
    return draws.lognormal(draw, volumes.terminal_per_command, volumes.file_sigma / 2)
