"""Ancestry of an exec: up to eight steps up the process tree."""

from __future__ import annotations

import msgspec

from evidence.kind import Body
from evidence.kinds.process import Exec

from ..enrich import Enrichment, Surroundings

LIMIT = 8


def _apply(body: Body, around: Surroundings) -> Body:
    if not isinstance(body, Exec):
        return body
    found = around.lineage.ancestry(body.pid, body.start)[:LIMIT]
    return msgspec.structs.replace(body, ancestry=found) if len(found) >= len(body.ancestry) else body


ENRICHMENT = Enrichment("lineage", 20, _apply, Exec)
