"""What differs from one run of a benign twin to the next: amounts, names and choices, drawn from a seed."""

from __future__ import annotations

import random

_WORDS = ("build", "cache", "daily", "export", "front", "graph", "index", "nightly", "report", "stage")


class Draw:
    """The choices of one run. Run 0 is the twin as it is described; the same run draws the same each time."""

    def __init__(self, run: int = 0) -> None:
        self.run = run
        self._random = random.Random(run)  # noqa: S311 - a choice that is to be made again, no secret

    def number(self, usual: int, low: int, high: int) -> int:
        """Return usual in run 0, else a number from low to high, small ones as likely as large ones."""
        if self.run == 0:
            return usual
        return min(high, int(low * (high / low) ** self._random.random()))

    def name(self) -> str:
        """Return a word that no other run has."""
        return f"{self._random.choice(_WORDS)}{self.run}"

    def one_of(self, usual: str, *others: str) -> str:
        """Return usual in run 0, else one of all."""
        return usual if self.run == 0 else self._random.choice((usual, *others))
