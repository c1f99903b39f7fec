"""The contract of an enrichment: what a body lacks, from it and what is known beside it, asked in order.

A module in `enrichments/` sets ENRICHMENT. A step only says what it changes: a body is made anew once, after
the last. Bodies are enriched before they are stamped, so that what is shed afterwards leaves no hole in the
sequence. Steps of negative order come before the process table learns from the body: redaction does, so that
no secret is kept there and none can come back with a later event's actor.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Container, Iterable
from typing import Any, Protocol

import msgspec

from evidence import found_modules
from evidence.kind import Body
from evidence.kinds.process import Ancestor

from . import enrichments
from .redaction import Redactor


class Lineage(Protocol):
    """What is known of who started whom."""

    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:
        """Return the parents of the process (pid, start in ns since boot), nearest first, at most eight."""
        ...


def _unknown_path(_pid: int, _exe: str) -> str | None:
    return None


def _unknown_command(_pid: int, _start: int | None) -> str | None:
    return None


class Surroundings(msgspec.Struct, frozen=True):
    """What an enrichment may use: process lineage, the redactor, the environment names that may leave.

    account gives the account name of a uid, host_path the host's path of what a process of another mount
    namespace executed, parent_command the command line of the parent of an exec; None where they do not know
    it.
    """

    lineage: Lineage
    redactor: Redactor
    environment: Container[str]
    account: Callable[[int], str | None]
    host_path: Callable[[int, str], str | None] = _unknown_path
    parent_command: Callable[[int, int | None], str | None] = _unknown_command


Changes = dict[str, Any]
"""New values by field."""


class Enrichment(msgspec.Struct, frozen=True):
    """One step; lower order comes first, below zero before the tables learn.

    apply adds to the changes, which hold those of the steps before it, and touches nothing else. concerns
    tells, once for each kind, whether there is anything to do for its bodies.
    """

    name: str
    order: int
    apply: Callable[[Body, Changes, Surroundings], None]
    concerns: Callable[[type[Body]], bool]


def all_enrichments() -> tuple[Enrichment, ...]:
    """Return the enrichments of the folder in the order in which they apply.

    Raises:
        TypeError: a module's ENRICHMENT is missing or is none.
    """
    found: list[Enrichment] = []
    for module in found_modules.names(enrichments.__path__):
        name = f"{enrichments.__name__}.{module}"
        enrichment = getattr(importlib.import_module(name), "ENRICHMENT", None)
        if not isinstance(enrichment, Enrichment):
            raise TypeError(f"agent/enrichments/{module}.py: ENRICHMENT is no Enrichment")
        found.append(enrichment)
    return tuple(sorted(found, key=lambda one: (one.order, one.name)))


class Enricher:
    """Some steps, those for each kind found once."""

    def __init__(self, steps: Iterable[Enrichment], around: Surroundings) -> None:
        self._steps = tuple(steps)
        self._around = around
        self._by_kind: dict[type[Body], tuple[Callable[[Body, Changes, Surroundings], None], ...]] = {}

    def enrich(self, body: Body) -> Body:
        """Return body with what the steps change, itself where they change nothing."""
        kind = type(body)
        steps = self._by_kind.get(kind)
        if steps is None:
            steps = self._by_kind[kind] = tuple(step.apply for step in self._steps if step.concerns(kind))
        if not steps:
            return body
        changes: Changes = {}
        for apply in steps:
            apply(body, changes, self._around)
        return msgspec.structs.replace(body, **changes) if changes else body


def enrich(body: Body, steps: Iterable[Enrichment], around: Surroundings) -> Body:
    """Return body after every step that concerns its kind."""
    return Enricher(steps, around).enrich(body)
