"""What a window of matches amounts to, and whether a condition holds of it. Integers alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from ..measures.windows import Item
from .document import CountOperator, Threshold

THOUSAND = 1000
_MOST = 10**15
"""The greatest value that is counted, in thousandths: sums of many stay exact in 64 bits."""
_LONGEST = 30
_HOLDS: dict[CountOperator, Callable[[int, int], bool]] = {
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "eq": lambda found, wanted: found == wanted,
    "neq": lambda found, wanted: found != wanted,
}


def value(text: str) -> int | None:
    """Return a number in thousandths; None for what is none, is negative, or too large."""
    if len(text) > _LONGEST:
        return None
    try:
        number = Decimal(text)
        found = int(number * THOUSAND) if number.is_finite() else -1
    except (InvalidOperation, OverflowError, ValueError):
        return None
    return found if 0 <= found <= _MOST else None


def holds(measure: str, items: Sequence[Item], threshold: Threshold) -> bool:
    """Return whether the condition holds of a window that is not empty."""
    if measure == "value_avg":
        return _HOLDS[threshold.operator](sum(item.value for item in items), threshold.number * len(items))
    if measure == "value_median":
        return _HOLDS[threshold.operator](_middle_twice(items), 2 * threshold.number)
    return _HOLDS[threshold.operator](amount(measure, items, threshold), threshold.number)


def amount(measure: str, items: Sequence[Item], threshold: Threshold) -> int:
    """Return what a window amounts to, in thousandths; averages are cut."""
    if measure == "value_count":
        return THOUSAND * len({item.label for item in items})
    if measure == "value_sum":
        return sum(item.value for item in items)
    if measure == "value_avg":
        return sum(item.value for item in items) // len(items)
    if measure == "value_median":
        return _middle_twice(items) // 2
    if measure == "value_percentile":
        return _percentile(items, threshold.percentile or 50)
    return THOUSAND * len(items)


def _middle_twice(items: Sequence[Item]) -> int:
    """Return twice the median: the sum of both middle ones, so that no half is lost."""
    values = sorted(item.value for item in items)
    return values[(len(values) - 1) // 2] + values[len(values) // 2]


def _percentile(items: Sequence[Item], percent: int) -> int:
    """Return the percentile by nearest rank: the least value that percent of all do not exceed."""
    values = sorted(item.value for item in items)
    return values[max(0, -(-percent * len(values) // 100) - 1)]
