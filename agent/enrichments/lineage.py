"""Ancestry of an exec: up to eight steps up the process tree."""

from __future__ import annotations

from evidence.kind import Body
from evidence.kinds.process import Exec

from ..enrich import Changes, Enrichment, Surroundings

LIMIT = 8


def _apply(body: Body, changes: Changes, around: Surroundings) -> None:
    if not isinstance(body, Exec):
        return
    found = around.lineage.ancestry(body.pid, body.start)
    if found and len(found) >= len(body.ancestry):
        changes["ancestry"] = found[:LIMIT]


ENRICHMENT = Enrichment("lineage", 20, _apply, lambda kind: kind is Exec)
