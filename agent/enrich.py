"""The contract of an enrichment: a pure function of a body and what is known beside it, applied in order.

A module in `enrichments/` sets ENRICHMENT. Bodies are enriched before they are stamped, so that what is shed
afterwards leaves no hole in the sequence. Steps of negative order come before the process table learns from
the body: redaction does, so that no secret is kept there and none can come back with a later event's actor.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Protocol

from evidence.kind import Body
from evidence.kinds.process import Ancestor

from . import enrichments
from .redaction import Redactor


class Lineage(Protocol):
    """What is known of who started whom."""

    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:
        """Return the parents of the process (pid, start in ns since boot), nearest first, at most eight."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What an enrichment may use: process lineage, the redactor, the environment names that may leave.

    account gives the account name of a uid, None where it is not known.
    """

    lineage: Lineage
    redactor: Redactor
    environment: Container[str]
    account: Callable[[int], str | None]


@dataclass(frozen=True)
class Enrichment:
    """One step; lower order comes first, below zero before the tables learn. apply may change nothing.

    of is the kind of body it has anything to do with.
    """

    name: str
    order: int
    apply: Callable[[Body, Surroundings], Body]
    of: type[Body] = Body


def all_enrichments() -> tuple[Enrichment, ...]:
    """Return the enrichments of the folder in the order in which they apply.

    Raises:
        TypeError: a module's ENRICHMENT is missing or is none.
    """
    found: list[Enrichment] = []
    for module in pkgutil.iter_modules(enrichments.__path__):
        name = f"{enrichments.__name__}.{module.name}"
        enrichment = getattr(importlib.import_module(name), "ENRICHMENT", None)
        if not isinstance(enrichment, Enrichment):
            raise TypeError(f"agent/enrichments/{module.name}.py: ENRICHMENT is no Enrichment")
        found.append(enrichment)
    return tuple(sorted(found, key=lambda one: (one.order, one.name)))


def enrich(body: Body, steps: Iterable[Enrichment], around: Surroundings) -> Body:
    """Return body after every step that is for its kind."""
    kind = type(body)
    for step in steps:
        if step.of is Body or step.of is kind:
            body = step.apply(body, around)
    return body
