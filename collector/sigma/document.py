"""What stands in a file of rules, as it is read once and kept: rules, filters, correlations. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..alert import Severity
from .tree import Node

Counted = Literal[
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
    "temporal",
    "temporal_ordered",
]
CountOperator = Literal["lt", "lte", "gt", "gte", "eq", "neq"]


class Logsource(msgspec.Struct, frozen=True):
    """Where a rule's events come from, in Sigma's words."""

    product: str | None = None
    category: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        return "/".join(one or "-" for one in (self.product, self.category, self.service))

    def covers(self, other: Logsource) -> bool:
        """Return whether all that this one names is so in the other."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return all(mine is None or mine == theirs for mine, theirs in pairs)


class Example(msgspec.Struct, frozen=True):
    """An event beside a rule, in Sigma's fields, and whether the rule must match it."""

    fields: dict[str, str]
    matches: bool


class Rule(msgspec.Struct, frozen=True, tag=True):
    """A rule of single events. fault says why it cannot be used, where it cannot."""

    id: str
    title: str
    severity: Severity
    logsource: Logsource
    condition: Node
    name: str | None = None
    version: int = 1
    attack: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    fault: str | None = None


class Filter(msgspec.Struct, frozen=True, tag=True):
    """What is added to the condition of the rules named, or of all of its logsource where rules is None."""

    id: str
    title: str
    logsource: Logsource
    condition: Node
    rules: tuple[str, ...] | None = None
    fault: str | None = None


class Threshold(msgspec.Struct, frozen=True):
    """What is counted, compared with which number (thousandths). percentile is from 1 to 100."""

    operator: CountOperator = "gte"
    number: int = 1000
    field: str | None = None
    percentile: int | None = None


class Correlation(msgspec.Struct, frozen=True, tag=True):
    """A rule over the matches of others. span is in ns; aliases give by name and rule the field."""

    id: str
    title: str
    severity: Severity
    measure: Counted
    rules: tuple[str, ...]
    span: int
    threshold: Threshold = Threshold()
    group_by: tuple[str, ...] = ()
    aliases: dict[str, dict[str, str]] = {}
    generate: bool = False
    name: str | None = None
    version: int = 1
    attack: tuple[str, ...] = ()
    fault: str | None = None


Document = Rule | Filter | Correlation


class File(msgspec.Struct, frozen=True):
    """A file's documents; path is relative to the folder, digest its SHA-256. fault: it could not be read."""

    path: str
    digest: str
    documents: tuple[Document, ...] = ()
    fault: str | None = None
