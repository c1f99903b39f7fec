"""From days as they were to days to come: alerts a day with an interval, and which value fits a budget. Pure.

Counts of days are taken as Poisson with a dispersion, their variance by their mean, of at least one: days of
one person's alerts come in bursts. The mean of H days to come is then within m ± 1.96·√(φ·m·(1/n + 1/H)) of
the mean m of n days 95 times of 100 (quasi-Poisson prediction; m is raised by one count in n days in the
root, so that days without an alert do not promise days without one).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from ..rule import Value

HORIZON = 30
"""Days ahead for which the interval is."""
_QUANTILE = 1.959964
_DAY = 86_400_000_000_000


class Expected(msgspec.Struct, frozen=True):
    """Alerts a day with a value: the mean of the days there were, and the interval of days to come."""

    value: Value
    mean: float
    low: float
    high: float
    by_day: tuple[int, ...]


def days(times: Sequence[int], since: int, until: int) -> tuple[int, ...]:
    """Return how many of times (UTC ns) fall on each day from since on; a part of a day counts as one."""
    counts = [0] * max(1, math.ceil((until - since) / _DAY))
    for one in times:
        at = (one - since) // _DAY
        if 0 <= at < len(counts):
            counts[at] += 1
    return tuple(counts)


def expected(value: Value, by_day: Sequence[int], horizon: int = HORIZON) -> Expected:
    """Return what a value lets expect of horizon days, by the days there were (at least one)."""
    n = len(by_day)
    mean = sum(by_day) / n
    raised = (sum(by_day) + 1) / n
    spread = sum((count - mean) ** 2 for count in by_day) / (n - 1) if n > 1 else raised
    dispersion = max(1.0, spread / raised)
    reach = _QUANTILE * math.sqrt(dispersion * raised * (1 / n + 1 / horizon))
    return Expected(value, mean, max(0.0, mean - reach), mean + reach, tuple(by_day))


def recommended(points: Sequence[Expected], budget: float, current: Value) -> Expected | None:
    """Return of the values whose mean fits the budget the nearest to the current one; None: none fits."""
    fits = [one for one in points if one.mean <= budget]
    at = float(current)
    return min(fits, key=lambda one: abs(float(one.value) - at), default=None)


def grid(current: float, wanted: float | None, least: int, most: int, count: int = 9) -> list[Value]:
    """Return values to compare, ascending, the current and the wanted one among them."""
    low, high = min(current, wanted or current), max(current, wanted or current)
    whole = isinstance(current, int)
    begin, end = max(low / 4, 0.5 if whole else 1e-3), max(high * 4, 16)
    step = (end / begin) ** (1 / (count - 1))
    made = {_round(begin * step**at, whole=whole) for at in range(count)}
    made = {min(max(one, least), most) for one in made}
    near = {current} | ({wanted} if wanted is not None else set())
    far = [one for one in made if all(abs(one - other) * 8 > other for other in near)]
    return sorted([*far, *near])


def _round(number: float, *, whole: bool) -> int | float:
    """Return number with two digits that count."""
    if number <= 0:
        return 0
    rounded = round(number, 1 - math.floor(math.log10(number)))
    return int(rounded) if whole else rounded
