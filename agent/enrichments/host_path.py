"""The host's path of what was executed in a container, where that is another than the container's."""

from __future__ import annotations

from evidence.kind import Body
from evidence.kinds.process import Exec

from ..enrich import Changes, Enrichment, Surroundings


def _apply(body: Body, changes: Changes, around: Surroundings) -> None:
    if not isinstance(body, Exec) or ("container" not in changes and body.container is None):
        return
    if body.exe is None or body.host_exe is not None or "exe" in body.escaped:
        return
    found = around.host_path(body.pid, body.exe)
    if found is not None and found != body.exe:
        changes["host_exe"] = found


ENRICHMENT = Enrichment("host_path", 15, _apply, lambda kind: kind is Exec)
