"""Ancestry of an exec: up to eight steps up the process tree; the parent's command line if wanted."""

from __future__ import annotations

from evidence.kind import Body
from evidence.kinds.process import Exec

from ..enrich import Changes, Enrichment, Surroundings

LIMIT = 8
COMMAND = 1024
"""Characters of the parent's command line."""


def _apply(body: Body, changes: Changes, around: Surroundings) -> None:
    if not isinstance(body, Exec):
        return
    found = around.lineage.ancestry(body.pid, body.start)
    if found and len(found) >= len(body.ancestry):
        changes["ancestry"] = found[:LIMIT]
    if body.ppid is not None:
        line = around.parent_command(body.ppid, body.parent_start)
        if line is not None:  # what was read from /proc passed by no redaction yet
            changes["parent_cmd_line"] = around.redactor.text(line[:COMMAND])


ENRICHMENT = Enrichment("lineage", 20, _apply, lambda kind: kind is Exec)
