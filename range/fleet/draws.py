"""Random numbers that can be made again: one generator for each named stream, and the distributions used."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def stream(seed: int, *names: object) -> Random:
    """Return the generator of a stream; another name or seed gives one that has nothing to do with it.

    Streams are apart so that a change in one part of the fleet leaves the numbers of all others as they were.
    """
    return Random(number(seed, *names))  # noqa: S311 - to be made again, no secret


def number(seed: int, *names: object) -> int:
    """Return 256 bits that stand for the names under a seed."""
    return int.from_bytes(digest(seed, *names), "big")


def digest(seed: int, *names: object) -> bytes:
    """Return 32 bytes that stand for the names under a seed: for ids and keys of hosts that are not real."""
    return hashlib.sha256("|".join(map(str, (seed, *names))).encode()).digest()


def lognormal(draw: Random, median: float, sigma: float) -> float:
    """Return a number of a lognormal distribution, given by its median and the deviation of its logarithm."""
    return median * math.exp(sigma * draw.gauss(0.0, 1.0))


def pareto(draw: Random, least: float, alpha: float, most: float) -> float:
    """Return a number of a Pareto distribution from least on, cut at most."""
    return min(least * draw.paretovariate(alpha), most)


def poisson(draw: Random, mean: float) -> int:
    """Return a number of a Poisson distribution (Knuth's method: for small means)."""
    count, left, limit = 0, draw.random(), math.exp(-mean)
    while left > limit:
        count += 1
        left *= draw.random()
    return count


def zipf(draw: Random, values: Sequence[T], exponent: float = 1.0) -> T:
    """Return one of the values, the first the most often: the one at rank r with weight 1 / r ** exponent."""
    weights = [(at + 1) ** -exponent for at in range(len(values))]
    return draw.choices(values, weights)[0]
