"""What may be set of a Sigma correlation: the number its condition compares with, and its span. Pure.

All else of it is as its file tells. What was set for a person, group, role or label holds where the event
that is judged is theirs.
"""

from __future__ import annotations

import msgspec

from ..rule import Parameter, Site
from .document import Correlation
from .measure import THOUSAND

THRESHOLD, SECONDS = "threshold", "seconds"
_SECOND = 10**9
_OPERATORS = {
    "lt": "fewer than", "lte": "at most", "gt": "more than", "gte": "at least", "eq": "exactly",
    "neq": "anything but",
}  # fmt: skip


def parameters(rule: Correlation) -> tuple[Parameter, ...]:
    """Return what may be set of a correlation; of temporal ones, which ask for all of theirs, the span."""
    span = Parameter(SECONDS, rule.span // _SECOND, "seconds", "the time within which all of it happens")
    asked = _threshold(rule)
    return (span,) if asked is None else (asked, span)


def _threshold(rule: Correlation) -> Parameter | None:
    number, field = rule.threshold.number, rule.threshold.field
    why = f"{rule.measure}: {_OPERATORS[rule.threshold.operator]} so many"
    if rule.measure == "event_count":
        return Parameter(THRESHOLD, number // THOUSAND, "matches", why)
    if rule.measure == "value_count":
        return Parameter(THRESHOLD, number // THOUSAND, f"values of {field}", why)
    if rule.measure in ("temporal", "temporal_ordered"):
        return None
    return Parameter(THRESHOLD, number / THOUSAND, f"amount of {field}", why)


def in_force(rule: Correlation, site: Site) -> Correlation:
    """Return the correlation with what was set of it; itself where nothing was."""
    if rule.id not in site.parameters:
        return rule
    set_to = {one.name: site.number(rule.id, one) for one in parameters(rule)}
    number = round(set_to[THRESHOLD] * THOUSAND) if THRESHOLD in set_to else rule.threshold.number
    return msgspec.structs.replace(
        rule,
        span=int(set_to[SECONDS]) * _SECOND,
        threshold=msgspec.structs.replace(rule.threshold, number=number),
    )
